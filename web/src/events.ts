// /v1/events by fetch: EventSource can send no Authorization header.
import { pieces } from './api';

export interface Happening {
	event: string;
	data: Record<string, unknown>;
}

export function parse(block: string): Happening | null {
	let event = 'message';
	const data: string[] = [];
	for (const line of block.split('\n')) {
		if (line.startsWith('event:'))
			event = line.slice(6).trim();
		else if (line.startsWith('data:'))
			data.push(line.slice(5).trimStart());
	}
	if (data.length === 0)
		return null;
	try {
		return { event, data: JSON.parse(data.join('\n')) };
	} catch {
		return null;
	}
}

/** Reads the stream to its end, which is a failure; throws what it was. Calls `opened` once it is there, and `happened` once for
 * all that has come together: of a thousand events a second most are never looked at. */
export async function read(signal: AbortSignal, opened: () => void, happened: (blocks: string[]) => void): Promise<void> {
	let rest = '';
	for await (const piece of pieces('GET /v1/events', {}, 'text/event-stream', signal, opened)) {
		const blocks = (rest + piece).split('\n\n');
		rest = blocks.pop() ?? '';
		if (blocks.length > 0)
			happened(blocks);
	}
}
