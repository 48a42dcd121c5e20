// Very many tasks in the browser: pages, filters, and what they cost the page and the api process.
// usage: many.mjs [TASKS]     a million unless it is said; the last line is "N passed, N failed".
import { readdirSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Muster, until } from './muster.mjs';

const total = Number(process.argv[2] ?? 1_000_000);
const slow = Number(process.env.MUSTER_TEST_SLOW ?? 1);
const pages = 100;
const rareEvery = 1000; // of so many tasks one is of class Rare
const wanted = { pageMs: 300, worstMs: 1000, rareMs: 2500, heapBytes: 2 * 1024 * 1024, apiBytes: 16 * 1024 * 1024 };

let passed = 0;
let failed = 0;
function judge(what, fine) {
	console.log(`${fine ? 'ok' : 'not ok'} - ${what}`);
	if (fine)
		passed++;
	else
		failed++;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mebibytes = (bytes) => (bytes / 1024 / 1024).toFixed(1);

async function* documents() {
	const encoder = new TextEncoder();
	for (let i = 0; i < total; i += 1000) {
		let lines = '';
		for (let j = i; j < Math.min(i + 1000, total); j++)
			lines += `{"class":"${j % rareEvery === rareEvery / 2 ? 'Rare' : 'Demo'}","method":"noop","queue":"crowd","param":[${j}]}\n`;
		yield encoder.encode(lines);
	}
}

async function fill(m) {
	const body = ReadableStream.from(documents());
	const answer = await fetch(`${m.url}/v1/tasks`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body, duplex: 'half' });
	return (await answer.json()).accepted;
}

/** Resident bytes of the api process that serves this port. */
function apiBytes(m) {
	for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
		try {
			if (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(m.pid) && /:api\b/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')))
				return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
		} catch {
			// It is gone by now.
		}
	throw new Error('there is no api process');
}

async function heap(client) {
	await client.send('HeapProfiler.collectGarbage');
	return (await client.send('Runtime.getHeapUsage')).usedSize;
}

async function turnPages(page, client, m) {
	const links = page.locator('tbody a[data-row]');
	const first = () => links.first().textContent();
	const seen = new Set(await links.allTextContents());
	const times = [];
	const before = { heap: await heap(client), api: apiBytes(m) };
	for (let turn = 2; turn <= pages; turn++) {
		const old = await first();
		const began = performance.now();
		await page.getByRole('button', { name: 'Next' }).click();
		await page.waitForFunction((id) => { const link = document.querySelector('tbody a[data-row]'); return link && link.textContent !== id; }, old);
		times.push(performance.now() - began);
		for (const id of await links.allTextContents())
			seen.add(id);
	}
	judge(`${pages} pages show ${seen.size} tasks, none twice`, seen.size === pages * 50);
	judge(`a page after ${median(times).toFixed(0)} ms (median; at most ${wanted.pageMs * slow}), the worst ${Math.max(...times).toFixed(0)} ms (at most ${wanted.worstMs * slow})`,
		median(times) <= wanted.pageMs * slow && Math.max(...times) <= wanted.worstMs * slow);
	const grown = { heap: await heap(client) - before.heap, api: apiBytes(m) - before.api };
	judge(`the page's heap has grown by ${mebibytes(grown.heap)} MiB (at most ${mebibytes(wanted.heapBytes)}), api by ${mebibytes(grown.api)} (at most ${mebibytes(wanted.apiBytes)}) from ${mebibytes(before.api)}`,
		grown.heap <= wanted.heapBytes && grown.api <= wanted.apiBytes);
}

async function filterRare(page, m) {
	const began = performance.now();
	await page.goto(`${m.url}/#/tasks?queue=crowd&state=pending&class=Rare`);
	await page.waitForFunction(() => { const cells = [...document.querySelectorAll('tbody tr td:nth-child(3)')]; return cells.length > 0 && cells.every((cell) => cell.textContent === 'Rare.noop'); });
	const lasted = performance.now() - began;
	const found = await page.locator('tbody tr').count();
	judge(`of one class in ${rareEvery}: ${found} tasks after ${lasted.toFixed(0)} ms (at most ${wanted.rareMs * slow})`, lasted <= wanted.rareMs * slow && found > 0);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const m = await Muster.start({ limits: { broker_memory: '3GiB' }, queues: [{ name: 'crowd' }], pools: [{ name: 'default', workers: 1, queues: { default: 1, crowd: 1 } }] });
try {
	await m.call('POST', '/v1/queues/crowd/pause');
	const began = performance.now();
	const accepted = await fill(m);
	console.log(`${accepted} tasks submitted in ${((performance.now() - began) / 1000).toFixed(1)} s`);
	judge(`${accepted} tasks wait`, accepted === total && (await m.get('/v1/queues/crowd')).pending === total);
	const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
	page.setDefaultTimeout(20_000 * slow);
	const client = await page.context().newCDPSession(page);
	const asked = performance.now();
	await page.goto(`${m.url}/#/tasks?queue=crowd&state=pending`);
	await page.locator('tbody a[data-row]').nth(49).waitFor();
	const first = performance.now() - asked;
	judge(`the first page after ${first.toFixed(0)} ms (at most ${wanted.worstMs * slow})`, first <= wanted.worstMs * slow);
	await turnPages(page, client, m);
	await filterRare(page, m);
} finally {
	await browser.close();
	await m.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
