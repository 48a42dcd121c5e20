// The address after #: a path and its parameters.
import { useEffect, useState } from 'preact/hooks';

export interface Route {
	page: string;
	rest: string[];
	parameters: URLSearchParams;
}

function current(): Route {
	const [path = '', parameters = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
	const [page = '', ...rest] = path.split('/').map(decodeURIComponent);
	return { page: page || 'now', rest, parameters: new URLSearchParams(parameters) };
}

export function useRoute(): Route {
	const [route, setRoute] = useState(current);
	useEffect(() => {
		const changed = () => setRoute(current());
		addEventListener('hashchange', changed);
		return () => removeEventListener('hashchange', changed);
	}, []);
	return route;
}

export function go(to: string): void {
	location.hash = to;
}
