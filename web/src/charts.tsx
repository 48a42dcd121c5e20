// The last hour in three small charts.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Live } from './live';
import type { Sample } from './schema';
import { duration, rate } from './words';

interface Kind {
	title: string;
	colour: string;
	value: (from: Sample, to: Sample) => number | null;
	words: (value: number) => string;
}

const perSecond = (change: number, from: Sample, to: Sample) => Math.max(0, change) * 1000 / (to.at - from.at);

const kinds: Kind[] = [
	{
		title: 'Succeeded', colour: '--good', words: rate,
		value: (from, to) => perSecond(to.succeeded - from.succeeded, from, to),
	},
	{
		title: 'Failed', colour: '--bad', words: rate,
		value: (from, to) => perSecond(to.dead - from.dead + to.retried - from.retried, from, to),
	},
	{
		title: 'Waited', colour: '--busy', words: duration,
		value: (from, to) => (to.waits > from.waits ? (to.wait_seconds - from.wait_seconds) / (to.waits - from.waits) : null),
	},
];

function series(samples: Sample[], kind: Kind): [number[], (number | null)[]] {
	const times: number[] = [];
	const values: (number | null)[] = [];
	for (let i = 1; i < samples.length; i++) {
		const from = samples[i - 1]!;
		const to = samples[i]!;
		if (to.at <= from.at)
			continue;
		times.push(to.at / 1000);
		values.push(kind.value(from, to));
	}
	return [times, values];
}

function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const clockTime = (seconds: number) => new Date(seconds * 1000).toTimeString().slice(0, 5);

/** An hour; of a node that is younger what there is, and five minutes at least. */
function span(data: uPlot.AlignedData): [number, number] {
	const now = Date.now() / 1000;
	const first = (data[0] as number[])[0] ?? now;
	return [Math.min(now - 300, Math.max(first, now - 3600)), now];
}

function options(kind: Kind, width: number): uPlot.Options {
	const axis = { stroke: colour('--faint'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
	return {
		width,
		height: 130,
		legend: { show: false },
		cursor: { show: false },
		scales: { x: { time: true, range: (plot) => span(plot.data) }, y: { range: (_u, _low, high) => [0, high > 0 ? high * 1.15 : 1] } },
		axes: [{ ...axis, space: 60, size: 26, values: (_u, splits) => splits.map(clockTime) }, { ...axis, size: 58, space: 28, values: (_u, splits) => splits.map((value) => kind.words(value)) }],
		series: [{}, { stroke: colour(kind.colour), width: 1.5, fill: `${colour(kind.colour)}22`, spanGaps: true, points: { show: false } }],
	};
}

function Chart({ kind, samples }: { kind: Kind; samples: Sample[] }) {
	const place = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const data = series(samples, kind);
	const latest = useRef(data);
	latest.current = data;
	const last = data[1].findLast((value) => value !== null);
	useEffect(() => {
		const make = () => {
			plot.current?.destroy();
			plot.current = new uPlot(options(kind, place.current!.clientWidth), latest.current, place.current!);
		};
		make();
		const dark = matchMedia('(prefers-color-scheme: dark)');
		const resized = new ResizeObserver(() => plot.current?.setSize({ width: place.current!.clientWidth, height: 130 }));
		resized.observe(place.current!);
		dark.addEventListener('change', make);
		return () => {
			dark.removeEventListener('change', make);
			resized.disconnect();
			plot.current?.destroy();
		};
	}, []);
	useEffect(() => plot.current?.setData(data), [samples]);
	const words = last === undefined || last === null ? 'none' : kind.words(last);
	return (
		<figure>
			<figcaption><span>{kind.title}</span> <strong>{words}</strong></figcaption>
			<div ref={place} role="img" aria-label={`${kind.title} over the last hour; the latest: ${words}`} />
		</figure>
	);
}

export function Charts({ live }: { live: Live }) {
	return (
		<section aria-labelledby="hour">
			<h2 id="hour">The last hour</h2>
			<div class="charts">{kinds.map((kind) => <Chart key={kind.title} kind={kind} samples={live.samples} />)}</div>
			{live.keptBy === 'page' && <p class="faint">As this page has seen it: this musterd keeps no history, so a reload begins anew.</p>}
		</section>
	);
}
