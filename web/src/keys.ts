// The keyboard: g and a letter goes to a page, / finds, j and k walk through the rows.
import { go } from './route';

export const pageKeys: Record<string, string> = { n: 'now', q: 'queues', t: 'tasks', w: 'workers', o: 'nodes', s: 'submit', e: 'settings' };

const patience = 1500;
let wentAt = 0;

function isTyping(target: EventTarget | null): boolean {
	return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function walk(step: number): void {
	const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
	const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
	rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
}

function find(): void {
	const focus = () => document.getElementById('find')?.focus();
	if (document.getElementById('find'))
		return focus();
	go('/tasks');
	setTimeout(focus, 50);
}

export function listenToKeys(help: () => void): () => void {
	const pressed = (event: KeyboardEvent) => {
		if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]'))
			return;
		const page = Date.now() - wentAt < patience ? pageKeys[event.key] : undefined;
		wentAt = event.key === 'g' ? Date.now() : 0;
		if (page)
			go(`/${page === 'now' ? '' : page}`);
		else if (event.key === '/')
			find();
		else if (event.key === 'j' || event.key === 'k')
			walk(event.key === 'j' ? 1 : -1);
		else if (event.key === '?')
			help();
		else
			return;
		event.preventDefault();
	};
	addEventListener('keydown', pressed);
	return () => removeEventListener('keydown', pressed);
}
