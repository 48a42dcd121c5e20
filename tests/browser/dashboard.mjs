// The dashboard in Debian's chromium, against a real musterd with real workers. Output: a line for each test, the count last.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { typesOf } from '../../web/types.mjs';
import { Muster, until } from './muster.mjs';

const output = new URL('./output/', import.meta.url).pathname;
const axeSource = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const slow = Number(process.env.MUSTER_TEST_SLOW ?? 1);
const only = process.argv[2] ? new RegExp(process.argv[2]) : null;
const tests = [];
const test = (name, run) => tests.push({ name, run });

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const folder = mkdtempSync(join(tmpdir(), 'mb-'));
const leave = join(folder, 'leave'); // a Chatty goes on until it is there
writeFileSync(join(folder, 'chatty'), `#!/bin/sh
echo line 1 >&2
echo line 2 >&2
until [ -e ${leave} ]; do sleep 0.05; done
echo the last line >&2
echo null
`, { mode: 0o755 });
const herd = await Muster.start({
	handlers: [{ class: 'Demo', module: 'demo.so' }, { class: 'Chatty', exec: [join(folder, 'chatty')], mode: 'once' }],
	queues: [{ name: 'mail' }, { name: 'reports', retry: 3 }],
	pools: [
		{ name: 'default', workers: 4, queues: { default: 1, reports: 1 } },
		{ name: 'mail', workers: 2, queues: { mail: 1 } },
	],
});

/** A page of its own for each test; what it asked for and complained of is looked at in the end. */
async function open(muster, hash = '', options = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
	context.setDefaultTimeout(10_000 * slow);
	const page = await context.newPage();
	page.strangers = [];
	page.complaints = [];
	page.on('request', (request) => { if (new URL(request.url()).origin !== muster.url) page.strangers.push(request.url()); });
	page.on('pageerror', (error) => page.complaints.push(error.message));
	page.on('console', (line) => { if (/Content.Security.Policy/i.test(line.text())) page.complaints.push(line.text()); });
	await page.goto(`${muster.url}/${hash}`);
	return page;
}

async function close(page) {
	await page.context().close();
	assert.deepEqual(page.strangers, [], 'it asked another host');
	assert.deepEqual(page.complaints, [], 'the page complained');
}

const tile = (page, name) => page.locator(`[data-worker="${name}"]`);
const row = (page, name) => page.locator('tr', { has: page.getByRole('rowheader', { name: new RegExp(`^${name}( |$)`) }) });

test('the roll call has a tile for each worker and says that all is well', async () => {
	const page = await open(herd);
	await page.locator('#verdict', { hasText: 'All is well.' }).waitFor();
	assert.equal(await page.locator('.tile').count(), 6);
	assert.match(await tile(page, 'mail/1').getAttribute('aria-label'), /mail\/1: idle; last beat .* ago, limit 10 s/);
	assert.match(await page.title(), /^Now · Muster$/);
	await close(page);
});

test('it is live by events', async () => {
	const page = await open(herd);
	await page.locator('#link[data-link=live]').waitFor();
	await close(page);
});

test('a killed worker is seen within a second', async () => {
	const page = await open(herd);
	await tile(page, 'default/0').waitFor();
	const { pid, restarts } = await herd.worker(0);
	process.kill(pid, 'SIGKILL');
	const killed = Date.now();
	await tile(page, 'default/0').filter({ hasText: `↻ ${restarts + 1} signal 9` }).waitFor({ timeout: 5000 * slow });
	assert.ok(Date.now() - killed < 1000 * slow, `${Date.now() - killed} ms`);
	await close(page);
});

test('a tile fills while its worker is silent and shows the task', async () => {
	const page = await open(herd);
	const id = await herd.push({ queue: 'mail', method: 'sleep', param: [4000] });
	const busy = page.locator('.tile[data-state=busy]', { hasText: 'Demo.sleep' });
	await busy.waitFor();
	const part = async () => Number(/scaleX\(([\d.]+)\)/.exec(await busy.locator('.fill').getAttribute('style'))[1]);
	await until(async () => (await part()) > 0.12, 4000, 'the tile fills');
	await herd.ended(id);
	await page.locator('.tile[data-state=busy]').waitFor({ state: 'detached' });
	await close(page);
});

test('what is wrong is said in words', async () => {
	await herd.call('POST', '/v1/queues/mail/pause');
	const id = await herd.push({ queue: 'mail', method: 'noop' });
	const page = await open(herd);
	await page.locator('#verdict', { hasText: 'Queue mail is paused; 1 task waiting.' }).waitFor();
	await herd.call('POST', '/v1/queues/mail/resume');
	await herd.ended(id);
	await page.locator('#verdict', { hasText: 'All is well.' }).waitFor();
	await close(page);
});

test('dead tasks are one line, and a way to them', async () => {
	for (const queue of ['mail', 'default'])
		await herd.ended(await herd.push({ queue, method: 'fail', param: ['no such mailbox'] }));
	const page = await open(herd);
	await page.locator('#verdict').getByRole('link', { name: '2 dead tasks: 1 in mail, 1 in default.' }).click();
	await page.locator('tbody a[data-row]').nth(1).waitFor();
	for (const queue of ['mail', 'default'])
		await herd.call('DELETE', `/v1/queues/${queue}/tasks?state=dead`);
	await close(page);
});

test('the last hour is kept by the node: a reload loses nothing', async () => {
	await until(async () => (await herd.get('/v1/history')).samples.length >= 2, 15_000);
	const page = await open(herd);
	await page.getByRole('img', { name: /Succeeded over the last hour; the latest: [\d.]+\/s/ }).waitFor();
	await page.reload();
	await page.getByRole('img', { name: /Succeeded over the last hour; the latest: [\d.]+\/s/ }).waitFor();
	await page.locator('.charts canvas').first().waitFor();
	assert.equal(await page.getByText('keeps no history').count(), 0);
	await close(page);
});

test('a queue is paused, resumed, purged', async () => {
	const page = await open(herd, '#/queues');
	await page.getByRole('button', { name: 'Pause mail' }).click();
	await row(page, 'mail').getByText('paused').waitFor();
	assert.equal((await herd.get('/v1/queues/mail')).paused, true);
	await herd.push({ queue: 'mail', method: 'noop' });
	await row(page, 'mail').getByRole('link', { name: '1 pending in mail' }).waitFor();
	await page.getByRole('button', { name: 'Purge mail' }).click();
	await page.getByRole('button', { name: 'Delete 1 pending task' }).click();
	await page.getByText('1 task of queue mail deleted.').waitFor();
	await page.getByRole('button', { name: 'Resume mail' }).click();
	await page.getByText('Queue mail is resumed.').waitFor();
	assert.equal((await herd.get('/v1/queues/mail')).paused, false);
	await close(page);
});

test('tasks are filtered, and a filter is an address', async () => {
	const dead = await herd.push({ queue: 'mail', method: 'fail', param: ['no such mailbox'] });
	const fine = await herd.push({ queue: 'mail', method: 'add', param: [2, 3] });
	await herd.ended(dead);
	await herd.ended(fine);
	const page = await open(herd, '#/tasks');
	await page.getByLabel('State').selectOption('dead');
	await page.getByRole('link', { name: dead }).waitFor();
	assert.equal(await page.getByRole('link', { name: fine }).count(), 0);
	assert.match(page.url(), /state=dead/);
	await page.getByLabel('Queue').selectOption('reports');
	await page.getByText('No task matches').waitFor();
	await page.getByText('More').click();
	await page.getByLabel('Queue').selectOption('mail');
	await page.getByRole('link', { name: dead }).waitFor();
	await page.getByLabel('Error says').fill('such a mailbox');
	await page.getByRole('button', { name: 'Show' }).click();
	await page.getByText('No task matches').waitFor(); // each step changes what is seen: only then is the form the next one's
	await page.getByLabel('Error says').fill('such mailbox');
	await page.getByRole('button', { name: 'Show' }).click();
	await page.getByRole('link', { name: dead }).waitFor();
	await page.getByLabel('Created before').fill('2020-01-01T00:00');
	await page.getByRole('button', { name: 'Show' }).click();
	await page.getByText('No task matches').waitFor();
	await close(page);
});

test('a long list is paged', async () => {
	await herd.call('POST', '/v1/queues/mail/pause');
	const documents = Array.from({ length: 120 }, (_, i) => ({ id: `paged-${i}`, class: 'Demo', method: 'noop', queue: 'mail' }));
	await herd.call('POST', '/v1/tasks', documents);
	const page = await open(herd, '#/tasks?queue=mail&state=pending');
	const seen = new Set();
	for (let turn = 1; turn <= 3; turn++) {
		await page.getByText(`page ${turn}`, { exact: true }).waitFor();
		const links = page.locator('tbody a[data-row]');
		await until(async () => !seen.has(await links.first().textContent()), 5000, 'another page');
		for (const id of await links.allTextContents())
			seen.add(id);
		if (turn < 3)
			await page.getByRole('button', { name: 'Next' }).click();
	}
	assert.equal(seen.size, 120);
	await page.getByRole('button', { name: 'Back' }).click();
	await page.getByText('page 2', { exact: true }).waitFor();
	await herd.call('DELETE', '/v1/queues/mail/tasks?state=pending');
	await herd.call('POST', '/v1/queues/mail/resume');
	await close(page);
});

test('all that match are retried and deleted, with the count first', async () => {
	const ids = [];
	for (let i = 0; i < 3; i++)
		ids.push(await herd.push({ queue: 'default', method: 'fail', param: ['many'] }));
	await Promise.all(ids.map((id) => herd.ended(id)));
	const page = await open(herd, '#/tasks?queue=default&state=dead&class=Demo');
	await page.getByRole('button', { name: 'Retry all that match…' }).click();
	await page.getByRole('heading', { name: 'Retry 3 tasks?' }).waitFor();
	await page.getByRole('button', { name: 'Cancel' }).click();
	assert.equal((await herd.get('/v1/queues/default')).dead, 3);
	await page.getByRole('button', { name: 'Retry all that match…' }).click();
	await page.getByRole('button', { name: 'Retry 3' }).click();
	await page.getByText('3 tasks run again.').waitFor();
	await until(async () => (await herd.get('/v1/queues/default')).dead === 3);
	await page.getByRole('button', { name: 'Delete all that match…' }).click();
	await page.getByRole('button', { name: 'Delete 3' }).click();
	await page.getByText('3 tasks deleted.').waitFor();
	assert.equal((await herd.get('/v1/queues/default')).dead, 0);
	await close(page);
});

test('one task: why it ended so, and once more', async () => {
	const id = await herd.push({ queue: 'reports', method: 'retry', param: ['the database is away'] });
	await herd.ended(id);
	const page = await open(herd, '#/tasks');
	await page.getByRole('link', { name: id }).click();
	await page.getByRole('heading', { name: 'Error: retry' }).waitFor();
	assert.equal(await page.locator('.timeline li.bad').count(), 3);
	assert.match(await page.locator('.facts').textContent(), /attempts3 of 3/);
	const created = page.locator('.facts time').first();
	assert.match(await created.textContent(), /^\d.* ago$/);
	assert.equal(await created.getAttribute('title'), (await herd.task(id)).created_at, 'the exact time on hover');
	await page.getByRole('button', { name: 'Retry' }).click();
	await page.getByText('It runs again.').waitFor();
	await herd.ended(id);
	await page.getByRole('heading', { name: /Demo\.retry\s+dead/ }).waitFor();
	await close(page);
});

test('one task: its progress is live, and it is cancelled', async () => {
	const id = await herd.push({ queue: 'mail', method: 'work', param: [60_000] });
	const page = await open(herd, `#/tasks/${id}`);
	await page.getByRole('heading', { name: /active/ }).waitFor();
	await page.getByRole('progressbar').waitFor();
	await page.getByRole('button', { name: 'Cancel' }).click();
	await page.getByRole('heading', { name: /cancelled/ }).waitFor();
	assert.equal((await herd.task(id)).state, 'cancelled');
	await close(page);
});

test('one task: its result, and itself as curl', async () => {
	const id = await herd.push({ queue: 'mail', method: 'echo', param: ["it's", { deep: [1] }] });
	await herd.ended(id);
	const page = await open(herd, `#/tasks/${id}`, { permissions: ['clipboard-read', 'clipboard-write'] });
	await page.getByRole('heading', { name: 'Result' }).waitFor();
	await page.getByRole('button', { name: 'Copy as curl' }).click();
	await page.getByText('Copied.').waitFor();
	const copied = await page.evaluate(() => navigator.clipboard.readText());
	assert.ok(copied.includes(`${herd.url}/v1/tasks`) && copied.includes(`"it'\\''s"`), copied);
	await close(page);
});

test('one task: what it logs is shown while it runs, and after its end', async () => {
	const id = await herd.push({ queue: 'mail', class: 'Chatty', method: 'say' });
	const page = await open(herd, `#/tasks/${id}`);
	const log = page.getByRole('log');
	await log.getByText('line 2').waitFor();
	assert.equal((await herd.task(id)).state, 'active', 'it still runs');
	assert.match(await log.textContent(), /^\d\d:\d\d:\d\d\.\d{3} line 1\n/);
	writeFileSync(leave, '');
	await page.getByRole('heading', { name: /succeeded/ }).waitFor();
	await log.getByText('the last line').waitFor();
	assert.equal((await log.textContent()).match(/line 1\n/g).length, 1, 'nothing is shown twice');
	await close(page);
});

test('a task that is not there is said to be so', async () => {
	const page = await open(herd, '#/tasks/nobody-knows-me');
	await page.getByText('there is no task').waitFor();
	await close(page);
});

test('a worker is restarted, a pool is scaled', async () => {
	const page = await open(herd, '#/workers');
	await page.getByRole('link', { name: 'mail/0' }).click();
	await page.getByRole('button', { name: 'Restart…' }).click();
	const { pid } = await herd.worker(0, 'mail');
	await page.getByRole('button', { name: 'Restart', exact: true }).click();
	await until(async () => { const now = await herd.worker(0, 'mail'); return now.pid && now.pid !== pid; });
	const { restarts } = await herd.worker(0, 'mail');
	await page.getByRole('row', { name: new RegExp(`^${restarts} order`) }).waitFor();
	await page.getByRole('link', { name: 'Workers' }).first().click();
	await page.getByLabel('Workers of pool mail').fill('3');
	await row(page, 'mail').getByRole('button', { name: 'Scale' }).click();
	await page.getByRole('link', { name: 'mail/2' }).waitFor();
	await herd.call('PATCH', '/v1/pools/mail', { workers: 2 });
	await page.getByRole('link', { name: 'mail/2' }).waitFor({ state: 'detached' });
	await close(page);
});

test('a slot has a past: what ended its processes, and with which task in hand', async () => {
	const id = await herd.push({ queue: 'mail', method: 'crash', param: [11] });
	const { worker } = (await herd.ended(id)).history.at(-1);
	const page = await open(herd, `#/workers/mail/${worker.split('/').at(-1)}`);
	await page.getByRole('row', { name: new RegExp(`signal 11 .* ${id}`) }).first().waitFor();
	await close(page);
});

test('a pool is paused and resumed, and that is said', async () => {
	const page = await open(herd, '#/workers');
	await page.getByRole('button', { name: 'Pause pool mail' }).click();
	await page.getByText('Pool mail is paused.', { exact: false }).first().waitFor();
	await page.getByRole('link', { name: 'Now' }).click();
	await page.locator('#verdict', { hasText: 'Pool mail is paused: its workers take nothing.' }).waitFor();
	await page.goBack();
	await page.getByRole('button', { name: 'Resume pool mail' }).click();
	await page.getByText('Pool mail is resumed.').waitFor();
	await close(page);
});

test('a node is drained, which is said, and takes tasks again', async () => {
	const page = await open(herd, '#/nodes');
	await page.getByText('(this one)').waitFor();
	await page.getByRole('button', { name: /^Drain/ }).click();
	await page.getByRole('button', { name: 'Drain', exact: true }).click();
	await page.getByText(/finishes what it has and takes nothing more/).waitFor();
	assert.equal((await herd.get('/v1/nodes')).nodes[0].draining, true);
	await page.getByRole('link', { name: 'Now' }).click();
	await page.locator('#verdict', { hasText: 'is draining' }).waitFor();
	await page.goBack();
	await page.getByRole('button', { name: /^Resume/ }).click();
	await page.getByText(/takes tasks again/).waitFor();
	assert.equal((await herd.get('/v1/nodes')).nodes[0].draining, false);
	await close(page);
});

test('the settings are shown as they hold, with what they mean', async () => {
	const page = await open(herd, '#/settings');
	const setting = (name) => page.getByRole('row', { name: new RegExp(`^${name.replaceAll('.', '\\.')} `) });
	await setting('limits.document').getByText('1MiB').first().waitFor();
	assert.match(await setting('node_timeout').textContent(), /15s.*15s.*\./);
	await page.getByRole('heading', { name: 'queues: reports' }).waitFor();
	await page.getByText('only what differs from its default').click();
	await setting('node_timeout').waitFor({ state: 'detached' });
	assert.equal(await setting('retry').locator('strong').textContent(), '3');
	await page.getByLabel('Find').fill('nothing is called so');
	await page.getByText('No setting is like that.').waitFor();
	await close(page);
});

test('the types of the page are those of the API', async () => {
	assert.equal(typesOf(await herd.get('/openapi.json')), readFileSync(new URL('../../web/src/schema.ts', import.meta.url), 'utf8'), 'npm run types, in web/');
});

test('a task is submitted, and what is wrong with it is shown at its place', async () => {
	const page = await open(herd, '#/submit');
	const field = page.getByLabel('A task document');
	await field.fill('{\n  "class": "Demo",\n  "method" "noop"\n}');
	await page.getByRole('button', { name: 'Submit' }).click();
	await page.getByText(/^✕ Line 3, column \d+: not JSON/).waitFor();
	await field.fill('{\n  "class": "Demo",\n  "method": "noop",\n  "priority": 12\n}');
	await page.getByRole('button', { name: 'Submit' }).click();
	await page.getByText(/^✕ Line 4, column 3: \/priority/).waitFor();
	assert.equal(await field.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd)), '"priority": 12');
	await field.fill('{"class": "Demo", "method": "add", "param": [20, 22]}');
	await page.getByRole('button', { name: 'Submit' }).click();
	await page.getByRole('status').getByRole('link').click();
	await page.getByRole('heading', { name: /Demo\.add\s+succeeded/ }).waitFor();
	await page.getByText('42', { exact: true }).waitFor();
	await close(page);
});

test('by keyboard alone', async () => {
	const page = await open(herd);
	await tile(page, 'default/0').waitFor();
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('k');
	assert.equal(await page.evaluate(() => document.activeElement.dataset.worker), 'default/0');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'Worker default/0' }).waitFor();
	await page.keyboard.press('g');
	await page.keyboard.press('q');
	await page.getByRole('heading', { name: 'Queues' }).waitFor();
	await page.keyboard.press('/');
	await page.waitForFunction(() => document.activeElement.id === 'find');
	await page.keyboard.type('not-here');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'Task not-here' }).waitFor();
	await page.keyboard.press('?');
	await page.getByRole('dialog').waitFor();
	await page.keyboard.press('Escape');
	await page.getByRole('dialog').waitFor({ state: 'detached' });
	await close(page);
});

test('who has no token is asked for one; a reader sees nothing that changes', async () => {
	const m = await Muster.start({ tokens: [{ name: 'eye', role: 'read' }, { name: 'chief', role: 'admin' }], pools: [{ name: 'default', workers: 1, queues: { default: 1 } }] });
	try {
		const page = await open(m, '#/queues');
		const field = page.getByLabel('This node asks for a token');
		await field.fill('wrong');
		await page.getByRole('button', { name: 'Log in' }).click();
		await page.getByText('This token is not known here.').waitFor();
		await look(page, 'login');
		await field.fill('eye-secret-of-the-test');
		await page.getByRole('button', { name: 'Log in' }).click();
		await page.getByText('eye (read)').waitFor();
		await page.getByRole('heading', { name: 'Queues' }).waitFor();
		await row(page, 'default').waitFor();
		assert.equal(await page.getByRole('button', { name: /Pause|Purge/ }).count(), 0);
		assert.equal(await page.getByRole('link', { name: /Submit|Settings/ }).count(), 0);
		for (const [hash, heading] of [['#/workers', 'Workers'], ['#/workers/default/0', 'Worker default/0'], ['#/nodes', 'Nodes'], ['#/tasks', 'Tasks']]) {
			await page.goto(`${m.url}/${hash}`);
			await page.getByRole('heading', { level: 1, name: heading }).waitFor();
			await page.getByText('eye (read)').waitFor();
			assert.deepEqual(await page.getByRole('main').getByRole('button', { name: /Restart|Scale|Pause|Drain|Retry|Delete|Cancel/ }).allTextContents(), [], hash);
		}
		await page.locator('#link[data-link=live]').waitFor();
		await page.getByText('No tasks yet.').waitFor();
		await page.goto(`${m.url}/#/queues`);
		await page.getByRole('button', { name: 'Log out' }).click();
		await field.fill('chief-secret-of-the-test');
		await page.getByRole('button', { name: 'Log in' }).click();
		await page.getByRole('button', { name: 'Pause default' }).waitFor();
		await page.getByRole('link', { name: 'Tasks' }).click();
		await page.getByRole('link', { name: 'Submit one' }).click();
		await page.getByLabel('A task document').waitFor();
		assert.ok(!page.url().includes('secret'));
		assert.equal(await page.evaluate(() => localStorage.length), 0);
		await close(page);
	} finally {
		await m.stop();
	}
});

test('the connection is lost and regained', async () => {
	const m = await Muster.start({ pools: [{ name: 'default', workers: 1, queues: { default: 1 } }] });
	try {
		const page = await open(m);
		await page.locator('#verdict', { hasText: 'All is well.' }).waitFor();
		await m.end();
		await page.getByText(/Cut off: .*What you see is .* old/).waitFor();
		await page.locator('#link[data-link=cut]').waitFor();
		await page.screenshot({ path: `${output}cut-off.png` });
		await m.begin();
		await page.locator('#link[data-link=cut]').waitFor({ state: 'detached' });
		assert.equal(await page.getByText('Cut off').count(), 0);
		await page.locator('#verdict', { hasText: 'All is well.' }).waitFor();
		await page.locator('#link[data-link=live]').waitFor({ timeout: 30_000 * slow });
		await close(page);
	} finally {
		await m.stop();
	}
});

test('a server that takes its time is not taken for a live one', async () => {
	const page = await open(herd);
	await page.locator('#verdict').waitFor();
	const hold = () => {};
	await page.route('**/v1/workers', hold);
	await page.getByText(/Cut off: .*takes long to answer.*What you see is .* old/).waitFor();
	await page.unroute('**/v1/workers', hold);
	await close(page);
});

test('a page that nobody looks at gives its stream back, asks nothing, and is right when it is shown again', async () => {
	const page = await open(herd);
	const asked = [];
	const streams = new Set();
	page.on('request', (request) => {
		asked.push(request.url());
		if (request.url().endsWith('/v1/events'))
			streams.add(request);
	});
	page.on('requestfailed', (request) => streams.delete(request));
	page.on('requestfinished', (request) => streams.delete(request));
	const show = (shown) => page.evaluate((state) => {
		Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
		Object.defineProperty(document, 'hidden', { configurable: true, get: () => state === 'hidden' });
		document.dispatchEvent(new Event('visibilitychange'));
	}, shown ? 'visible' : 'hidden');
	await page.reload();
	await page.locator('#link[data-link=live]').waitFor();
	await until(() => streams.size === 1, 5000, 'one stream');
	await show(false);
	await until(() => streams.size === 0, 5000, 'the stream is given back');
	await herd.ended(await herd.push({ queue: 'mail', method: 'sleep', param: [1500] })); // what was under way is over
	asked.length = 0;
	await herd.call('POST', '/v1/queues/mail/pause');
	const id = await herd.push({ queue: 'mail', method: 'noop' });
	await herd.ended(await herd.push({ queue: 'default', method: 'sleep', param: [2500] }));
	assert.deepEqual(asked, [], 'it asked while it was hidden');
	await show(true);
	await page.locator('#verdict', { hasText: 'Queue mail is paused; 1 task waiting.' }).waitFor();
	await page.locator('#link[data-link=live]').waitFor();
	await until(() => streams.size === 1, 10_000, 'one stream again');
	await herd.call('POST', '/v1/queues/mail/resume');
	await herd.ended(id);
	await page.locator('#verdict', { hasNotText: 'paused' }).waitFor();
	await close(page);
});

test('without events it asks', async () => {
	const page = await open(herd, '', {});
	await page.context().route('**/v1/events', (route) => route.abort());
	await page.reload();
	await page.locator('#link[data-link=polling]').waitFor();
	await close(page);
});

test('two hundred workers stay readable, and no task on the page\'s thread is long', async () => {
	const m = await Muster.start({ pools: [{ name: 'default', workers: 200, queues: { default: 1 } }] });
	try {
		const page = await open(m);
		await until(async () => (await page.locator('.tile[data-state=idle]').count()) === 200, 30_000);
		const small = await page.locator('.tile').evaluateAll((tiles) => tiles.filter((one) => one.clientWidth < 80 || one.querySelector('.state').scrollWidth > one.clientWidth).length);
		assert.equal(small, 0);
		await page.screenshot({ path: `${output}now-200.png` });
		// The clock also counts what other programs took of the machine: the best of some turns is the page's own.
		const longest = () => page.evaluate(() => new Promise((resolve) => {
			let most = 0;
			const observer = new PerformanceObserver((list) => { for (const entry of list.getEntries()) most = Math.max(most, entry.duration); });
			observer.observe({ type: 'longtask' });
			setTimeout(() => { observer.disconnect(); resolve(most); }, 3000);
		}));
		let best = Infinity;
		for (let turn = 0; turn < 5 && best > 50; turn++) {
			const most = longest();
			for (let i = 0; i < 8; i++)
				await m.call('POST', '/v1/tasks', Array.from({ length: 400 }, () => ({ class: 'Demo', method: 'noop' })));
			best = Math.min(best, await most);
		}
		assert.ok(best <= 50 * slow, `${best} ms`);
		await close(page);
	} finally {
		await m.stop();
	}
});

/** axe in both themes, and screenshots on desktop and phone. */
async function look(page, name) {
	for (const colorScheme of ['light', 'dark']) {
		await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
		await page.evaluate(axeSource);
		const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
		assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`), [], `${name}, ${colorScheme}`);
		for (const [kind, width, height] of [['desktop', 1280, 900], ['phone', 390, 844]]) {
			await page.setViewportSize({ width, height });
			const over = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
			await until(async () => (await over()) <= 0, 2000, `${name} is no wider than a ${kind}`);
			await page.screenshot({ path: `${output}${name}-${kind}-${colorScheme}.png` });
		}
		await page.setViewportSize({ width: 1280, height: 900 });
	}
}

test('each page, in both themes, on desktop and phone, without a violation of WCAG', async () => {
	const dead = await herd.push({ queue: 'reports', method: 'retry', param: ['the database is away'] });
	await herd.push({ queue: 'mail', method: 'work', param: [30_000] });
	await herd.push({ queue: 'mail', method: 'sleep', param: [30_000] });
	await herd.push({ queue: 'mail', method: 'noop' });
	await herd.call('POST', '/v1/tasks', Array.from({ length: 300 }, (_, i) => ({ class: 'Demo', method: i % 50 ? 'noop' : 'fail', param: i % 50 ? [] : ['no such customer'] })));
	await herd.push({ method: 'crash', param: [11] });
	await herd.ended(dead);
	const places = [['now', ''], ['queues', '#/queues'], ['tasks', '#/tasks'], ['tasks-filtered', '#/tasks?state=dead&error_kind=exception'], ['task', `#/tasks/${dead}`],
		['workers', '#/workers'], ['worker', '#/workers/default/0'], ['nodes', '#/nodes'], ['submit', '#/submit'], ['settings', '#/settings'], ['nothing', '#/nothing']];
	const page = await open(herd);
	await page.locator('.tile.busy').nth(1).waitFor();
	await until(async () => (await herd.get('/v1/history')).samples.length >= 4, 25_000);
	for (const [name, hash] of places) {
		await page.goto(`${herd.url}/${hash}`);
		await page.getByRole('heading', { level: 1 }).waitFor();
		await page.locator('#link[data-link=live]').waitFor();
		if (name.startsWith('tasks') || name === 'settings')
			await page.locator('tbody tr').first().waitFor();
		await look(page, name);
	}
	await page.keyboard.press('?');
	await page.getByRole('dialog').waitFor();
	await look(page, 'help');
	await close(page);
});

mkdirSync(output, { recursive: true });
let passed = 0;
let failed = 0;
for (const { name, run } of tests) {
	if (only && !only.test(name))
		continue;
	const began = Date.now();
	try {
		await run();
		passed++;
		console.log(`ok - ${name} (${Date.now() - began} ms)`);
	} catch (error) {
		failed++;
		console.log(`not ok - ${name}\n${error.stack}`);
		for (const [i, context] of browser.contexts().entries()) {
			await context.pages()[0]?.screenshot({ path: `${output}failed-${failed}-${i}.png` }).catch(() => {});
			await context.close();
		}
	}
}
await browser.close();
await herd.stop();
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
