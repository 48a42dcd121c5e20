import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { setToken, token } from './api';
import { listenToKeys } from './keys';
import { begin, may, start, useLive, type Live } from './live';
import { Nodes } from './pages/nodes';
import { Now } from './pages/now';
import { Queues } from './pages/queues';
import { Settings } from './pages/settings';
import { Submit } from './pages/submit';
import { TaskPage } from './pages/task';
import { Tasks } from './pages/tasks';
import { WorkerPage, Workers } from './pages/workers';
import { useRoute, type Route } from './route';
import './style.css';
import { duration, findings } from './words';

const pages: { page: string; title: string; role?: 'submit' | 'admin' }[] = [
	{ page: 'now', title: 'Now' },
	{ page: 'queues', title: 'Queues' },
	{ page: 'tasks', title: 'Tasks' },
	{ page: 'workers', title: 'Workers' },
	{ page: 'nodes', title: 'Nodes' },
	{ page: 'submit', title: 'Submit', role: 'submit' },
	{ page: 'settings', title: 'Settings', role: 'admin' },
];

function Content({ route, live }: { route: Route; live: Live }) {
	switch (route.page) {
	case 'now': return <Now live={live} />;
	case 'queues': return <Queues live={live} />;
	case 'tasks': return route.rest[0] ? <TaskPage id={route.rest[0]} /> : <Tasks live={live} parameters={route.parameters} />;
	case 'workers': return route.rest.length === 2 ? <WorkerPage live={live} pool={route.rest[0]!} slot={route.rest[1]!} /> : <Workers live={live} />;
	case 'nodes': return <Nodes live={live} />;
	case 'submit': return <Submit />;
	case 'settings': return <Settings live={live} />;
	default: return <><h1>Nothing here</h1><p class="empty">There is no such page. <a href="#/">To the first one</a></p></>;
	}
}

const linkWords = { connecting: 'connecting…', live: 'live', polling: 'asking every second', cut: 'cut off', locked: 'locked' };

/** How fresh is what one sees; said aloud only when it changes. */
function Link({ live }: { live: Live }) {
	return <p id="link" role="status" data-link={live.link} class={live.link === 'cut' ? 'bad' : live.link === 'live' || live.link === 'polling' ? 'good' : 'odd'}>
		<span aria-hidden="true">{live.link === 'cut' ? '✕' : '●'}</span> {linkWords[live.link]}</p>;
}

function CutOff({ live }: { live: Live }) {
	const [, redraw] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => redraw((n) => n + 1), 1000);
		return () => clearInterval(timer);
	}, []);
	const age = live.answeredAt ? `What you see is ${duration((Date.now() - live.answeredAt) / 1000)} old.` : '';
	return <p class="cut" role="alert"><strong><span aria-hidden="true">✕</span> Cut off:</strong> {live.fault}. {age} Trying again every second.</p>;
}

function Login({ refused }: { refused: boolean }) {
	const field = useRef<HTMLInputElement>(null);
	useEffect(() => field.current?.focus(), []);
	const enter = (event: Event) => {
		event.preventDefault();
		setToken(field.current!.value.trim());
		begin();
	};
	return (
		<main id="main" class="login">
			<h1>Muster</h1>
			<form onSubmit={enter}>
				<label for="token">This node asks for a token</label>
				<input id="token" ref={field} type="password" autocomplete="off" spellcheck={false} required />
				<p role="alert" class="said bad">{refused && <><span aria-hidden="true">✕</span> This token is not known here.</>}</p>
				<button type="submit" class="main">Log in</button>
			</form>
			<p class="faint">It stays in this tab until you close it or log out.</p>
		</main>
	);
}

function Help({ close }: { close: () => void }) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	return (
		<dialog ref={dialog} onClose={close} aria-labelledby="keys">
			<h2 id="keys">Keys</h2>
			<dl class="keys">
				<dt><kbd>/</kbd></dt><dd>find a task by its id</dd>
				<dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next and previous row or tile; <kbd>Enter</kbd> opens it</dd>
				<dt><kbd>g</kbd> <kbd>n</kbd></dt><dd>now</dd>
				<dt><kbd>g</kbd> <kbd>q</kbd></dt><dd>queues</dd>
				<dt><kbd>g</kbd> <kbd>t</kbd></dt><dd>tasks</dd>
				<dt><kbd>g</kbd> <kbd>w</kbd></dt><dd>workers</dd>
				<dt><kbd>g</kbd> <kbd>o</kbd></dt><dd>nodes</dd>
				<dt><kbd>g</kbd> <kbd>s</kbd></dt><dd>submit</dd>
				<dt><kbd>g</kbd> <kbd>e</kbd></dt><dd>settings</dd>
			</dl>
			<form method="dialog"><button type="submit">Close</button></form>
		</dialog>
	);
}

function titleOf(route: Route, live: Live): string {
	const page = pages.find((one) => one.page === route.page);
	const problems = live.link === 'cut' ? 'cut off' : findings(live).some((finding) => finding.level === 'problem') ? '✕' : '';
	return [problems, page?.title, 'Muster'].filter(Boolean).join(' · ');
}

function App() {
	const live = useLive();
	const route = useRoute();
	const [help, setHelp] = useState(false);
	useEffect(() => listenToKeys(() => setHelp(true)), []);
	useEffect(() => { document.title = titleOf(route, live); });
	if (live.link === 'locked')
		return <Login refused={token() !== null} />;
	const logOut = () => { setToken(null); begin(); };
	return (
		<>
			<a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the content</a>
			<header>
				<a class="name" href="#/">Muster</a>
				<nav aria-label="Pages">
					{pages.filter(({ role }) => !role || may(role)).map(({ page, title }) => (
						<a key={page} href={page === 'now' ? '#/' : `#/${page}`} aria-current={route.page === page ? 'page' : undefined}>{title}</a>
					))}
				</nav>
				<Link live={live} />
				{live.who && (token() || live.who.role !== 'admin') && <span class="who">{live.who.name ?? 'anonymous'} ({live.who.role})</span>}
				{token() && <button type="button" onClick={logOut}>Log out</button>}
				<button type="button" onClick={() => setHelp(true)} aria-label="Keyboard help">?</button>
			</header>
			{live.link === 'cut' && <CutOff live={live} />}
			<main id="main" tabIndex={-1} class={live.link === 'cut' ? 'stale' : ''}><Content route={route} live={live} /></main>
			{help && <Help close={() => setHelp(false)} />}
		</>
	);
}

start();
render(<App />, document.getElementById('app')!);
