import { useRef, useState } from 'preact/hooks';
import { call, Problem, type Answer } from '../api';
import { may } from '../live';
import { lineOf, memberAt, offsetOf } from '../place';

const example = `{
  "class": "Demo",
  "method": "add",
  "param": [1, 2]
}`;

interface Wrong {
	offset: number;
	text: string;
}

function syntax(text: string): Wrong | null {
	try {
		JSON.parse(text);
		return null;
	} catch (error) {
		return { offset: offsetOf(text, (error as Error).message), text: `not JSON: ${(error as Error).message}` };
	}
}

function faultsOf(text: string, error: Problem): Wrong[] {
	if (error.faults.length === 0)
		return [{ offset: -1, text: error.message }];
	return error.faults.map((fault) => ({ offset: memberAt(text, fault.pointer), text: `${fault.pointer || 'the document'}: ${fault.detail}` }));
}

function where(text: string, wrong: Wrong): string {
	if (wrong.offset < 0)
		return wrong.text;
	const { line, column } = lineOf(text, wrong.offset);
	return `Line ${line}, column ${column}: ${wrong.text}`;
}

export function Submit() {
	const field = useRef<HTMLTextAreaElement>(null);
	const [text, setText] = useState(example);
	const [wrong, setWrong] = useState<Wrong[]>([]);
	const [done, setDone] = useState<Answer<'POST /v1/tasks'> | null>(null);
	const [busy, setBusy] = useState(false);

	const mark = (found: Wrong[]) => {
		setWrong(found);
		const first = found[0];
		if (first && first.offset >= 0) {
			field.current?.focus();
			const end = text.indexOf('\n', first.offset);
			field.current?.setSelectionRange(first.offset, end < 0 ? text.length : end);
		}
	};
	const send = async (event: Event) => {
		event.preventDefault();
		setDone(null);
		const bad = syntax(text);
		if (bad)
			return mark([bad]);
		setBusy(true);
		try {
			setDone(await call('POST /v1/tasks', {}, text));
			setWrong([]);
		} catch (error) {
			mark(faultsOf(text, error as Problem));
		}
		setBusy(false);
	};
	if (!may('submit'))
		return <><h1>Submit</h1><p class="empty">Your token may look, and not submit.</p></>;
	return (
		<>
			<h1>Submit</h1>
			<form onSubmit={send} class="submit">
				<label for="document">A task document, or an array of them</label>
				<textarea id="document" ref={field} value={text} rows={14} spellcheck={false} aria-describedby="faults" aria-invalid={wrong.length > 0}
					onInput={(event) => { setText(event.currentTarget.value); setWrong([]); }}
					onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send(event); }} />
				<div id="faults" class="faults" role="alert">{wrong.map((one) => <p key={one.text} class="bad"><span aria-hidden="true">✕</span> {where(text, one)}</p>)}</div>
				<p class="actions"><button type="submit" class="main" disabled={busy}>Submit</button> <span class="faint">or Ctrl+Enter</span></p>
			</form>
			<p role="status" class="said good">{done && <><span aria-hidden="true">✓</span> Accepted: {'id' in done
				? <a href={`#/tasks/${encodeURIComponent(done.id)}`}>{done.id}</a>
				: `${'accepted' in done ? done.accepted : 0} tasks`}</>}</p>
			<p class="faint"><code>class</code> and <code>method</code> are required; also <code>param queue id retry delay run_at priority timeout expires_in unique retention callback meta</code>.</p>
		</>
	);
}
