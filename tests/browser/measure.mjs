// The dashboard with 200 workers and a thousand events a second: first paint, long tasks on the page's thread, memory, size.
// usage: measure.mjs [SECONDS]     The last line is "N passed, N failed". A busy machine makes it slower, never faster: MUSTER_TEST_SLOW.
import { chromium } from 'playwright-core';
import { Muster, until } from './muster.mjs';

const seconds = Number(process.argv[2] ?? 120);
const slow = Number(process.env.MUSTER_TEST_SLOW ?? 1);
const wanted = { workers: 200, eventsPerSecond: 1000, paintMs: 500, taskMs: 50, growth: 0.1, bytes: 120 * 1024 };
const batch = 60; // each is an event or two
const batchMs = 100;

let passed = 0;
let failed = 0;
function judge(what, fine) {
	console.log(`${fine ? 'ok' : 'not ok'} - ${what}`);
	if (fine)
		passed++;
	else
		failed++;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mebibytes = (bytes) => (bytes / 1024 / 1024).toFixed(1);

/** Events as anybody sees them, counted. */
async function countEvents(m, stop, counted) {
	const answer = await fetch(`${m.url}/v1/events`, { signal: stop });
	let text = '';
	for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
		const blocks = (text + piece).split('\n\n');
		text = blocks.pop();
		counted.events += blocks.filter((block) => /^event: (task|worker)$/m.test(block)).length;
	}
}

async function feed(m, stop) {
	const tasks = Array.from({ length: batch }, () => ({ class: 'Demo', method: 'noop' }));
	for (let at = Date.now(); !stop.aborted; at += batchMs) {
		await m.call('POST', '/v1/tasks', tasks);
		await sleep(Math.max(0, at + batchMs - Date.now()));
	}
}

async function firstPaint(browser, m) {
	const times = [];
	for (let turn = 0; turn < 7; turn++) {
		const context = await browser.newContext();
		const page = await context.newPage();
		await page.goto(m.url);
		const entry = await until(() => page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime), 5000, 'a paint');
		times.push(entry);
		await context.close();
	}
	return times;
}

async function sizes(m) {
	const page = await (await fetch(m.url)).text();
	let bytes = 0;
	for (const path of ['/', ...[...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, asset]) => asset)]) {
		const answer = await fetch(m.url + path, { headers: { 'Accept-Encoding': 'gzip' } });
		bytes += Number(answer.headers.get('Content-Length'));
	}
	return bytes;
}

/** The longest task on the page's thread, by the clock and by what it used of a processor: others may have that meanwhile. */
async function trace(page, ms) {
	await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
	await sleep(ms);
	const { traceEvents } = JSON.parse(await browser.stopTracing());
	const mains = new Set(traceEvents.filter((one) => one.name === 'thread_name' && one.args.name === 'CrRendererMain').map((one) => `${one.pid} ${one.tid}`));
	const tasks = traceEvents.filter((one) => one.ph === 'X' && one.name.endsWith('RunTask') && mains.has(`${one.pid} ${one.tid}`));
	const most = (what) => Math.max(0, ...tasks.map((one) => (one[what] ?? 0) / 1000));
	return { tasks: tasks.length, clockMs: most('dur'), processorMs: most('tdur') };
}

/** The charts show an hour from the first second on: before what the node has seen there is one that was made up. */
async function fillHour(page) {
	const stepMs = 5000;
	const hourMs = 3600_000;
	await page.route('**/v1/history*', async (route) => {
		const { samples } = await (await fetch(route.request().url())).json();
		const first = samples[0];
		const older = !first || new URL(route.request().url()).searchParams.get('after') !== '0' ? [] : Array.from({ length: hourMs / stepMs - 1 }, (_, i) => {
			const left = hourMs / stepMs - 1 - i;
			return { ...first, at: first.at - left * stepMs, succeeded: -left * 3000 - (i * 7919) % 2000, dead: -left * 5 - i % 4, waits: -left * 3000, wait_seconds: -left * 40 - i % 30 };
		});
		await route.fulfill({ json: { samples: [...older, ...samples] } });
	});
}

/** What the page's own heap holds when all that it has dropped is gone. */
async function heap(client) {
	await client.send('HeapProfiler.collectGarbage');
	return (await client.send('Runtime.getHeapUsage')).usedSize;
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const m = await Muster.start({ pools: [{ name: 'default', workers: wanted.workers, queues: { default: 1 } }] });
const stop = new AbortController();
try {
	await until(async () => (await m.get('/v1/workers')).workers.every((worker) => worker.state === 'idle'), 30_000, 'all are idle');
	const paints = await firstPaint(browser, m);
	judge(`first paint after ${median(paints).toFixed(0)} ms (the median of ${paints.length}; at most ${wanted.paintMs * slow})`, median(paints) <= wanted.paintMs * slow);
	const bytes = await sizes(m);
	judge(`${(bytes / 1024).toFixed(1)} KiB of gzip in all (at most ${wanted.bytes / 1024})`, bytes <= wanted.bytes);

	const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
	const client = await page.context().newCDPSession(page);
	await fillHour(page);
	await page.goto(m.url);
	await until(async () => (await page.locator('.tile').count()) === wanted.workers, 30_000, 'all tiles');
	await page.locator('#link[data-link=live]').waitFor();
	const counted = { events: 0 };
	const counting = countEvents(m, stop.signal, counted).catch(() => {});
	const feeding = feed(m, stop.signal);
	await sleep(5000);

	const began = Date.now();
	const before = counted.events;
	const heaps = [];
	const traces = [];
	while (Date.now() - began < seconds * 1000) {
		traces.push(await trace(page, Math.min(10_000, seconds * 250)));
		heaps.push(await heap(client));
	}
	const lasted = (Date.now() - began) / 1000;
	const rate = (counted.events - before) / lasted;
	stop.abort();
	await feeding;
	await counting;

	console.log(`${lasted.toFixed(0)} s with ${wanted.workers} workers, ${rate.toFixed(0)} events/s`);
	judge(`${rate.toFixed(0)} events/s (at least ${wanted.eventsPerSecond / slow})`, rate >= wanted.eventsPerSecond / slow);
	const most = (what) => Math.max(...traces.map((one) => one[what]));
	const tasks = traces.reduce((sum, one) => sum + one.tasks, 0);
	judge(`${tasks} tasks on the page's thread, the longest ${most('processorMs').toFixed(0)} ms of a processor (at most ${wanted.taskMs * slow})`,
		tasks > 100 && most('processorMs') <= wanted.taskMs * slow);
	// By the clock a task also waits for whoever else has the processors; that is not in every turn.
	const longest = median(traces.map((one) => one.clockMs));
	const within = traces.filter((one) => one.clockMs <= wanted.taskMs).length;
	judge(`by the clock the longest of a turn was ${longest.toFixed(0)} ms (median; at most ${wanted.taskMs * slow}), of all ${most('clockMs').toFixed(0)} ms; ${within} of ${traces.length} turns had none above ${wanted.taskMs} ms`,
		longest <= wanted.taskMs * slow);
	const third = Math.max(1, Math.floor(heaps.length / 3));
	const [early, late] = [median(heaps.slice(0, third)), median(heaps.slice(-third))];
	judge(`the page's heap: ${mebibytes(early)} MiB in the first third, ${mebibytes(late)} MiB in the last (at most ${wanted.growth * 100} % more)`, late <= early * (1 + wanted.growth));
} finally {
	stop.abort();
	await browser.close();
	await m.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
