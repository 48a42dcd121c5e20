// Where in a JSON text something is wrong. Pure.

/** The line and column (from 1) of an offset. */
export function lineOf(text: string, offset: number): { line: number; column: number } {
	const before = text.slice(0, offset).split('\n');
	return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** The offset in what JSON.parse said, as this browser words it; at the end when it names none. */
export function offsetOf(text: string, message: string): number {
	const position = /position (\d+)/.exec(message);
	if (position)
		return Number(position[1]);
	const place = /line (\d+) column (\d+)/.exec(message);
	if (!place)
		return text.length;
	const lines = text.split('\n').slice(0, Number(place[1]) - 1);
	return lines.reduce((sum, line) => sum + line.length + 1, 0) + Number(place[2]) - 1;
}

/** Where a top-level member of an object begins; -1: it is not there. */
export function memberAt(text: string, pointer: string): number {
	const name = pointer.split('/')[1];
	if (!name)
		return -1;
	let depth = 0;
	for (let i = 0; i < text.length; i++) {
		if (text[i] === '"') {
			const begin = i;
			for (i++; i < text.length && text[i] !== '"'; i++)
				if (text[i] === '\\')
					i++;
			if (depth === 1 && text.slice(begin, i + 1) === JSON.stringify(name) && /^\s*:/.test(text.slice(i + 1)))
				return begin;
		} else if (text[i] === '{' || text[i] === '[')
			depth++;
		else if (text[i] === '}' || text[i] === ']')
			depth--;
	}
	return -1;
}
