// The one way to the server. The token stays in this tab's session storage and goes out in a header, never in a URL.

const tokenKey = 'muster-token';

export interface Fault {
	pointer: string;
	detail: string;
}

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

/** A body that is a string goes out as it is. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
	const init: RequestInit = { method, headers: headers(), cache: 'no-store', signal: AbortSignal.timeout(25_000) };
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

export const get = <T>(path: string) => call<T>('GET', path);

/** A path of the API from its pieces, each escaped. */
export function path(strings: TemplateStringsArray, ...values: (string | number)[]): string {
	return strings.reduce((whole, piece, i) => whole + encodeURIComponent(values[i - 1] ?? '') + piece);
}

export function query(values: Record<string, string | number | boolean | undefined>): string {
	const parameters = new URLSearchParams();
	for (const [name, value] of Object.entries(values))
		if (value !== undefined && value !== '')
			parameters.set(name, String(value));
	const text = parameters.toString();
	return text ? `?${text}` : '';
}
