// The one way to the server. The token stays in this tab's session storage and goes out in a header, never in a URL.
// What may be asked and what is answered is the API's own description (schema.ts): a call that it does not have does not compile.
import type { Calls, Fault } from './schema';

const tokenKey = 'muster-token';

/** A call that did not succeed. Status 0: there was no answer. */
export class Problem extends Error {
	constructor(readonly status: number, detail: string, readonly faults: Fault[] = [], readonly body: Record<string, unknown> = {}) {
		super(detail);
	}
}

export function token(): string | null {
	return sessionStorage.getItem(tokenKey);
}

export function setToken(text: string | null): void {
	if (text)
		sessionStorage.setItem(tokenKey, text);
	else
		sessionStorage.removeItem(tokenKey);
}

export function headers(): Record<string, string> {
	const text = token();
	return text ? { Authorization: `Bearer ${text}` } : {};
}

let refused: () => void = () => {};

/** Calls `then` whenever a call is refused for want of a token that is known. */
export function onRefused(then: () => void): void {
	refused = then;
}

async function problemOf(answer: Response): Promise<Problem> {
	try {
		const body = await answer.json();
		return new Problem(answer.status, body.detail ?? body.title ?? answer.statusText, body.errors, body);
	} catch {
		return new Problem(answer.status, answer.statusText || `status ${answer.status}`);
	}
}

type Segments<K> = K extends `${string}{${infer Name}}${infer Rest}` ? Name | Segments<Rest> : never;

export type Call = keyof Calls;
export type Answer<K extends Call> = Calls[K]['answer'];

/** What stands in a call's path, and what may stand in its query. */
export type Parameters<K extends Call> = { [name in Segments<K>]: string | number } & { [name in Calls[K]['query']]?: string | number | boolean | undefined };

/** Its method and its address, each value escaped; empty ones are left out of the query. */
export function address(operation: Call, parameters: Record<string, unknown>): [string, string] {
	const [method = '', pattern = ''] = operation.split(' ');
	const rest = new Map(Object.entries(parameters));
	const path = pattern.replace(/{(\w+)}/g, (_, name: string) => {
		const value = rest.get(name);
		rest.delete(name);
		return encodeURIComponent(String(value));
	});
	return [method, path + query(Object.fromEntries(rest))];
}

const patienceMs = 25_000;

/** A body that is a string goes out as it is. */
export async function call<K extends Call>(operation: K, parameters: Parameters<K>, body?: Calls[K]['body'] | string): Promise<Answer<K>> {
	const [method, path] = address(operation, parameters);
	const init: RequestInit = { method, headers: headers(), cache: 'no-store', signal: AbortSignal.timeout(patienceMs) };
	if (body !== undefined) {
		init.body = typeof body === 'string' ? body : JSON.stringify(body);
		init.headers = { ...init.headers, 'Content-Type': 'application/json' };
	}
	let answer: Response;
	try {
		answer = await fetch(path, init);
	} catch {
		throw new Problem(0, 'musterd does not answer');
	}
	if (!answer.ok) {
		const problem = await problemOf(answer);
		if (answer.status === 401)
			refused();
		throw problem;
	}
	return answer.json();
}

/** What does not end, piece by piece, until it does. Fails when it is refused or breaks. Calls `opened` once it is there. */
export async function* pieces<K extends Call>(operation: K, parameters: Parameters<K>, type: string, signal: AbortSignal, opened = () => {}): AsyncGenerator<string> {
	const answer = await fetch(address(operation, parameters)[1], { headers: { ...headers(), Accept: type }, cache: 'no-store', signal });
	if (!answer.ok)
		throw await problemOf(answer);
	if (!answer.body || !answer.headers.get('Content-Type')?.startsWith(type))
		throw new Problem(answer.status, `it is not ${type}`);
	opened();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	for (;;) {
		const { value, done } = await reader.read();
		if (done)
			return;
		yield value;
	}
}

export function query(values: Record<string, unknown>): string {
	const parameters = new URLSearchParams();
	for (const [name, value] of Object.entries(values))
		if (value !== undefined && value !== '')
			parameters.set(name, String(value));
	const text = parameters.toString();
	return text ? `?${text}` : '';
}
