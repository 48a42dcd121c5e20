// What a task has printed and logged; followed while it is not over.
import { useEffect, useState } from 'preact/hooks';
import { pieces } from './api';

interface Line {
	at: string;
	text: string;
}

const retryMs = 1500;
const keptLines = 2000;

function linesOf(text: string): Line[] {
	return text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Line);
}

/** Tells all that there is, from the first line on, each time more has come. */
async function read(id: string, follow: boolean, signal: AbortSignal, tell: (lines: Line[]) => void): Promise<void> {
	let lines: Line[] = [];
	let rest = '';
	for await (const piece of pieces('GET /v1/tasks/{id}/log', follow ? { id, follow: '1' } : { id }, 'application/x-ndjson', signal)) {
		const end = (rest + piece).lastIndexOf('\n') + 1;
		lines = [...lines, ...linesOf((rest + piece).slice(0, end))].slice(-keptLines);
		rest = (rest + piece).slice(end);
		tell(lines);
	}
}

export function Log({ id, over }: { id: string; over: boolean }) {
	const [lines, setLines] = useState<Line[]>([]);
	const [fault, setFault] = useState('');
	useEffect(() => {
		const stop = new AbortController();
		const again = async () => {
			while (!stop.signal.aborted) {
				const broken = await read(id, !over, stop.signal, setLines).then(() => '', (error: Error) => error.message);
				if (stop.signal.aborted)
					return;
				setFault(broken);
				if (!broken)
					return; // its end: the page sees that for itself, and reads once more
				await new Promise((resolve) => setTimeout(resolve, retryMs));
			}
		};
		void again();
		return () => stop.abort();
	}, [id, over]);
	return (
		<section aria-labelledby="log">
			<h2 id="log">Log {!over && !fault && <span class="faint">live</span>}</h2>
			{fault && <p class="said odd">The log cannot be read: {fault}.</p>}
			{lines.length > 0
				? <pre class="log" tabIndex={0} role="log" aria-labelledby="log">{lines.map((line, i) => <span key={i}><time dateTime={line.at} title={line.at}>{line.at.slice(11, 23)}</time> {line.text}{'\n'}</span>)}</pre>
				: <p class="empty">{over ? 'It has logged nothing.' : 'Nothing yet. What its handler logs or prints to stderr comes here.'}</p>}
		</section>
	);
}
