'use strict';

// The page asks its own node once a second and shows the answers. Text goes in as text, never as markup.

const stateColours = { idle: 'good', busy: 'busy', draining: 'odd', starting: 'odd', backoff: 'bad', dead: 'bad', parked: 'bad' };

function cell(content, className) {
	const td = document.createElement('td');
	td.append(content ?? '–');
	if (className)
		td.className = className;
	return td;
}

function row(...cells) {
	const tr = document.createElement('tr');
	tr.append(...cells);
	return tr;
}

function seconds(value) {
	if (value === null || value === undefined)
		return '–';
	if (value < 1)
		return `${Math.round(value * 1000)} ms`;
	if (value < 120)
		return `${value.toFixed(1)} s`;
	return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
}

// A bar that is full when the worker's promise ends: then it is killed.
function beat(worker) {
	const age = worker.heartbeat_age_seconds;
	const shown = document.createElement('span');
	if (age === null) {
		shown.append('none yet');
		return shown;
	}
	const limit = Math.max(age + worker.promise_seconds, 0.001);
	const bar = document.createElement('meter');
	bar.max = limit;
	bar.low = limit * 0.5;
	bar.high = limit * 0.8;
	bar.optimum = 0;
	bar.value = age;
	bar.title = `${seconds(age)} of ${seconds(limit)}`;
	shown.append(bar, `${seconds(age)} of ${seconds(limit)}`);
	return shown;
}

function lastExit(exit) {
	if (!exit)
		return '–';
	const how = exit.signal ? `signal ${exit.signal}` : `exit ${exit.code}`;
	return `${exit.reason} (${how})${exit.detail ? ': ' + exit.detail : ''}`;
}

function task(current) {
	return current ? `${current.class}.${current.method} ${current.id}, ${seconds(current.running_seconds)}` : '–';
}

function workerRow(worker) {
	const done = worker.tasks;
	return row(
		cell(`${worker.pool}/${worker.slot}`),
		cell(worker.state, stateColours[worker.state]),
		cell(beat(worker)),
		cell(worker.restarts, 'number'),
		cell(lastExit(worker.last_exit)),
		cell(task(worker.task)),
		cell(done.succeeded + done.failed, 'number'),
		cell(worker.pid, 'number'));
}

function queueRow(queue) {
	return row(
		cell(queue.name),
		cell(queue.pending, 'number'),
		cell(queue.active, 'number'),
		cell(queue.scheduled, 'number'),
		cell(queue.retrying, 'number'),
		cell(queue.dead, queue.dead > 0 ? 'number bad' : 'number'),
		cell(queue.succeeded_total, 'number'),
		cell(queue.pending > 0 ? seconds(queue.oldest_age_seconds) : '–', 'number'));
}

// Kept as long as this tab, and shown to nobody but the node.
function credentials() {
	const token = sessionStorage.getItem('token');
	return token ? { Authorization: `Bearer ${token}` } : {};
}

async function ask(path) {
	const answer = await fetch(path, { cache: 'no-store', headers: credentials() });
	const body = await answer.json();
	document.getElementById('sign-in').hidden = answer.status !== 401;
	if (!answer.ok)
		throw new Error(body.detail);
	return body;
}

function show(id, text, className) {
	const element = document.getElementById(id);
	element.textContent = text;
	element.className = className;
	element.hidden = text === '';
}

async function refreshWorkers() {
	try {
		const { workers } = await ask('/v1/workers');
		document.getElementById('workers').replaceChildren(...workers.map(workerRow));
		const up = workers.filter((worker) => ['idle', 'busy', 'draining'].includes(worker.state)).length;
		show('status', `${up} of ${workers.length} workers are up`, up === workers.length ? 'good' : 'bad');
	} catch (error) {
		show('status', `the node does not answer: ${error.message}`, 'bad');
	}
}

async function refreshQueues() {
	try {
		const { queues } = await ask('/v1/queues');
		document.getElementById('queues').replaceChildren(...queues.map(queueRow));
		show('queues-note', '', 'note');
	} catch (error) {
		show('queues-note', error.message, 'note bad');
	}
}

async function refresh() {
	if (!document.hidden)
		await Promise.all([refreshWorkers(), refreshQueues()]);
	setTimeout(refresh, 1000);
}

document.getElementById('sign-in').addEventListener('submit', (event) => {
	event.preventDefault();
	sessionStorage.setItem('token', document.getElementById('token').value.trim());
	document.getElementById('token').value = '';
});
document.getElementById('submit').textContent = `curl -s ${location.origin}/v1/tasks -H 'Content-Type: application/json' \\\n` +
	`     -d '{"class": "Demo", "method": "add", "param": [1, 2]}'`;
document.getElementById('look').textContent = `curl -s '${location.origin}/v1/tasks/ID?wait=5s'`;
refresh();
