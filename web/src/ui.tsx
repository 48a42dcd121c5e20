// Pieces that several pages are made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './api';
import { duration } from './words';

const marks: Record<string, string> = {
	idle: '○', busy: '●', starting: '◔', draining: '◑', dead: '✕', backoff: '↻', parked: '■',
	pending: '○', scheduled: '◷', active: '●', retrying: '↻', succeeded: '✓', cancelled: '–', paused: '‖',
};

const tones: Record<string, string> = {
	idle: 'good', busy: 'busy', active: 'busy', succeeded: 'good', dead: 'bad', backoff: 'bad', parked: 'bad',
	starting: 'odd', draining: 'odd', retrying: 'odd', paused: 'odd',
};

/** A state by its mark and its word; the colour only repeats them. */
export function State({ of }: { of: string }) {
	return <span class={`state ${tones[of] ?? ''}`}><span aria-hidden="true">{marks[of] ?? '·'}</span> {of}</span>;
}

/** Relative, with the exact time on hover. */
export function When({ at }: { at: string | null }) {
	if (!at)
		return <span class="faint">–</span>;
	const seconds = (Date.now() - Date.parse(at)) / 1000;
	const text = seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
	return <time dateTime={at} title={at}>{text}</time>;
}

export function Json({ value }: { value: unknown }) {
	return <pre tabIndex={0}><code>{JSON.stringify(value, null, 2)}</code></pre>;
}

/** What a person asked for, being done: says how it went where it was asked. */
export function useAction(): [(what: () => Promise<string>) => void, ComponentChildren, boolean] {
	const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
	const [busy, setBusy] = useState(false);
	const act = (what: () => Promise<string>) => {
		setBusy(true);
		what()
			.then((text) => setSaid({ text, bad: false }))
			.catch((error: Error) => setSaid({ text: error instanceof Problem && error.status === 403 ? `Refused: ${error.message}` : error.message, bad: true }))
			.finally(() => setBusy(false));
	};
	const note = <p role="status" class={`said ${said?.bad ? 'bad' : 'good'}`}>{said?.text && <><span aria-hidden="true">{said.bad ? '✕' : '✓'}</span> {said.text}</>}</p>;
	return [act, note, busy];
}

/** A question that must be answered before anything else; Escape is no. */
export function Ask(props: { title: string; yes: string; grave?: boolean; onYes: () => void; onNo: () => void; children: ComponentChildren }) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	return (
		<dialog ref={dialog} onCancel={props.onNo} aria-labelledby="ask-title">
			<h2 id="ask-title">{props.title}</h2>
			{props.children}
			<p class="actions">
				<button type="button" onClick={props.onNo}>Cancel</button>
				<button type="button" class={props.grave ? 'grave' : 'main'} onClick={props.onYes}>{props.yes}</button>
			</p>
		</dialog>
	);
}

export function Empty({ children }: { children: ComponentChildren }) {
	return <div class="empty">{children}</div>;
}
