// A real musterd with a state directory and a port of its own, gone with all its processes when it is stopped.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const binary = process.env.MUSTERD ?? new URL('../../build/musterd', import.meta.url).pathname;
const slow = Number(process.env.MUSTER_TEST_SLOW ?? 1);

/** Asks again until the answer is neither false nor null nor a failure. */
export async function until(what, ms = 10_000, name = what.toString()) {
	const end = Date.now() + ms * slow;
	let last;
	while (Date.now() < end) {
		try {
			const answer = await what();
			if (answer)
				return answer;
		} catch (error) {
			last = error;
		}
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	throw new Error(`not within ${ms} ms: ${name}${last ? `: ${last.message}` : ''}`);
}

function freePort() {
	return new Promise((resolve) => {
		const server = createServer().listen(0, '127.0.0.1', () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

export class Muster {
	#process;
	#folder = mkdtempSync(join(tmpdir(), 'mb-'));

	constructor(config) {
		this.config = config;
	}

	static async start(config = {}) {
		const one = new Muster(config);
		one.port = await freePort();
		one.url = `http://127.0.0.1:${one.port}`;
		await one.begin();
		return one;
	}

	get pid() {
		return this.#process.pid;
	}

	/** Writes a file into its folder; returns its path. */
	file(name, text) {
		const path = join(this.#folder, name);
		writeFileSync(path, text, { mode: 0o600 });
		return path;
	}

	async begin() {
		const tokens = (this.config.tokens ?? []).map(({ name, role }) => ({ name, role, token_file: this.file(`${name}.token`, `${name}-secret-of-the-test`) }));
		const { tokens: _, ...rest } = this.config;
		const config = { listen: [`127.0.0.1:${this.port}`], state_dir: join(this.#folder, 'state'), user: process.getuid() === 0 ? 'root' : null, ...rest };
		if (tokens.length > 0)
			config.auth = { tokens };
		this.log = '';
		this.#process = spawn(binary, ['-c', this.file('muster.yaml', JSON.stringify(config))], { stdio: ['ignore', 'ignore', 'pipe'] });
		this.#process.stderr.on('data', (text) => { this.log = (this.log + text).slice(-20_000); });
		await until(async () => (await fetch(`${this.url}/readyz`)).ok, 20_000, `ready: ${this.log}`);
	}

	/** Ends it; its port and state stay for the next begin(). */
	async end(signal = 'SIGTERM') {
		if (this.#process.exitCode !== null || this.#process.signalCode !== null)
			return;
		const gone = new Promise((resolve) => this.#process.once('exit', resolve));
		this.#process.kill(signal);
		const force = setTimeout(() => this.#process.kill('SIGKILL'), 15_000 * slow);
		await gone;
		clearTimeout(force);
	}

	async stop() {
		await this.end();
		rmSync(this.#folder, { recursive: true, force: true });
	}

	async call(method, path, body) {
		const answer = await fetch(this.url + path, {
			method,
			headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) },
			body: body === undefined ? undefined : JSON.stringify(body),
		});
		const text = await answer.text();
		if (!answer.ok)
			throw new Error(`${method} ${path}: ${answer.status} ${text}`);
		return JSON.parse(text);
	}

	get(path) {
		return this.call('GET', path);
	}

	/** Submits one task; returns its id. */
	async push(document) {
		return (await this.call('POST', '/v1/tasks', { class: 'Demo', ...document })).id;
	}

	task(id) {
		return this.get(`/v1/tasks/${id}`);
	}

	ended(id) {
		return until(async () => {
			const task = await this.task(id);
			return ['succeeded', 'dead', 'cancelled'].includes(task.state) && task;
		}, 15_000, `the end of ${id}`);
	}

	async worker(slot = 0, pool = 'default') {
		return this.get(`/v1/workers/${pool}/${slot}`);
	}
}
