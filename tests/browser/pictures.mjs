// The pictures of the README: a herd at work, some of it in trouble. usage: pictures.mjs [FOLDER [SECONDS]]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Muster, until } from './muster.mjs';

const into = process.argv[2] ?? new URL('../../doc/', import.meta.url).pathname;
const seconds = Number(process.argv[3] ?? 240);

const program = `import json, random, sys, time
def say(**line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    task = json.loads(line)
    what = task["method"]
    if what == "monthly":
        total = task["param"][0]
        for page in range(1, total + 1):
            if page % 10 == 1: say(log=f"page {page} of {total}: {random.randint(900, 4000)} rows read")
            say(beat=True)
            say(progress=100 * page // total, note=f"page {page} of {total}")
            time.sleep(0.25)
        say(ok={"pages": total, "file": "reports/2026-10.pdf"})
    elif what == "charge":
        say(log="asking the bank for order " + str(task["param"]["order"]))
        time.sleep(0.1)
        say(retry="the bank does not answer: timeout after 100 ms")
    elif what == "import":
        time.sleep(3600)
    else:
        time.sleep(random.uniform(0.02, 0.5))
        if random.random() < 0.004: say(fail="no such mailbox: " + task["param"][0])
        else: say(ok=None)
`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const folder = mkdtempSync(join(tmpdir(), 'mb-'));
writeFileSync(join(folder, 'app.py'), program);
const exec = ['/usr/bin/python3', join(folder, 'app.py')];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function open(m, hash, { colorScheme = 'light', width = 1280, height = 900 } = {}) {
	const page = await (await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' })).newPage();
	await page.goto(`${m.url}/${hash}`);
	await page.locator('#link[data-link=live]').waitFor();
	return page;
}

async function take(page, name) {
	await page.screenshot({ path: join(into, `dashboard-${name}.png`) });
	await page.context().close();
}

/** Mail all the time, in waves; a report now and then; a bank that does not answer. */
async function work(m, stop) {
	for (let turn = 0; !stop.aborted; turn++) {
		const many = Math.round(14 + 10 * Math.sin(turn / 25) + 4 * Math.random());
		await m.call('POST', '/v1/tasks', Array.from({ length: many }, (_, i) => ({ class: 'Mailer', method: i % 3 ? 'welcome' : 'newsletter', param: [`customer${turn}-${i}@example.org`], queue: 'mail' })));
		if (turn % 14 === 0)
			await m.call('POST', '/v1/tasks', { class: 'Report', method: 'monthly', param: [60 + turn % 40], queue: 'reports' });
		if (turn % 20 === 9)
			await m.call('POST', '/v1/tasks', { class: 'Billing', method: 'charge', param: { order: 70_000 + turn, cents: 1290 }, queue: 'billing' });
		await sleep(1000);
	}
}

async function smallHerd() {
	const m = await Muster.start({
		handlers: ['Mailer', 'Report', 'Billing', 'Orders'].map((name) => ({ class: name, exec })),
		queues: [{ name: 'mail' }, { name: 'reports' }, { name: 'billing', retry: 3, backoff: { base: '300ms' } }, { name: 'orders', retry: 1 }],
		pools: [{ name: 'mailers', workers: 6, queues: { mail: 1 } }, { name: 'office', workers: 6, queues: { reports: 2, billing: 2, orders: 1 } }],
	});
	const stop = new AbortController();
	const working = work(m, stop.signal);
	try {
		await sleep((seconds - 30) * 1000);
		const stuck = await m.push({ class: 'Orders', method: 'import', param: ['orders-2026-11.csv'], queue: 'orders' });
		await m.ended(stuck);
		const failed = (await m.get('/v1/tasks?state=dead&queue=billing&limit=1')).tasks[0].id;
		const second = await m.push({ class: 'Orders', method: 'import', param: ['orders-2026-12.csv'], queue: 'orders' });
		await until(async () => (await m.get('/v1/workers')).workers.some((worker) => worker.task?.id === second), 10_000, 'the second one hangs');
		await sleep(6300);
		const now = await open(m, '', { height: 1080 });
		await now.locator('.charts canvas').nth(2).waitFor();
		await sleep(1200);
		await take(now, 'now');
		await take(await open(m, '', { colorScheme: 'dark', width: 390, height: 844 }), 'phone');
		const task = await open(m, `#/tasks/${failed}`, { colorScheme: 'dark' });
		await task.getByRole('log').waitFor();
		await take(task, 'task');
		const tasks = await open(m, '#/tasks?state=dead');
		await tasks.getByRole('button', { name: 'Retry all that match…' }).click();
		await tasks.getByRole('dialog').waitFor();
		await take(tasks, 'tasks');
	} finally {
		stop.abort();
		await working.catch(() => {});
		await m.stop();
	}
}

async function largeHerd() {
	const m = await Muster.start({ pools: [{ name: 'default', workers: 200, queues: { default: 1 } }] });
	try {
		await m.call('POST', '/v1/tasks', Array.from({ length: 130 }, (_, i) => ({ class: 'Demo', method: i % 3 ? 'sleep' : 'work', param: [4000 + 70 * i] })));
		for (let i = 0; i < 4; i++)
			await m.push({ method: 'crash', param: [11] });
		const page = await open(m, '');
		await until(async () => (await page.locator('.tile').count()) === 200, 20_000, 'all tiles');
		await sleep(5000);
		await take(page, '200');
	} finally {
		await m.stop();
	}
}

await smallHerd();
await largeHerd();
await browser.close();
rmSync(folder, { recursive: true, force: true });
