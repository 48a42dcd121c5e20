// Builds src/ into dist/: three files under fixed names, each with its gzip beside it, and files.h, which tells
// api/page.c what to embed and under which names (they carry a hash of the bytes) to serve it.
import { createHash } from 'node:crypto';
import { gzipSync } from 'fflate';
import { defineConfig, type Plugin } from 'vite';

const types: Record<string, string> = {
	html: 'text/html; charset=utf-8',
	css: 'text/css; charset=utf-8',
	js: 'text/javascript; charset=utf-8',
};

const heading = `/* The dashboard's built files. Made by \`npm run build\` in web/; .ci/run makes them anew and compares. */
`;

/** The name under which a file is served: the page's is fixed, all others change with their bytes. */
function servedName(file: string, hash: string): string {
	return file === 'index.html' ? '/' : `/assets/${file.replace('.', `-${hash}.`)}`;
}

function embedded(): Plugin {
	return {
		name: 'embedded',
		enforce: 'post',
		apply: 'build',
		generateBundle(_options, bundle) {
			const rows: string[] = [];
			const blocks: string[] = [];
			const names = Object.keys(bundle).sort((a, b) => Number(a.endsWith('html')) - Number(b.endsWith('html')) || (a < b ? -1 : 1));
			const renamed: [string, string][] = [];
			for (const name of names) {
				const item = bundle[name]!;
				let text = item.type === 'chunk' ? item.code : Buffer.from(item.source).toString();
				for (const [from, to] of renamed)
					text = text.replaceAll(from, to);
				if (item.type === 'chunk')
					item.code = text;
				else
					item.source = text;
				const hash = createHash('sha256').update(text).digest('hex').slice(0, 12);
				const served = servedName(name, hash);
				renamed.push([`/${name}`, served]);
				// By fflate, whose bytes are the same on every machine; node's zlib is one of several.
				this.emitFile({ type: 'asset', fileName: `${name}.gz`, source: gzipSync(Buffer.from(text), { level: 9, mtime: 0 }) });
				const symbol = `web_${name.replace(/\W/g, '_')}`;
				blocks.push(`EMBED_FILE(${symbol}, "web/dist/${name}");`, `EMBED_FILE(${symbol}_gz, "web/dist/${name}.gz");`);
				rows.push(`\tWEB_FILE("${served}", "${types[name.split('.').pop()!]}", "W/\\"${hash}\\"", ${symbol}),`);
			}
			this.emitFile({
				type: 'asset',
				fileName: 'files.h',
				source: `${heading}${blocks.join('\n')}\n\nstatic const struct page_file files[] = {\n${rows.join('\n')}\n};\n`,
			});
		},
	};
}

export default defineConfig({
	plugins: [embedded()],
	build: {
		target: 'es2022',
		modulePreload: false,
		assetsInlineLimit: 0,
		rollupOptions: { output: { entryFileNames: 'app.js', chunkFileNames: 'app-[name].js', assetFileNames: 'app.[ext]' } },
	},
	server: { proxy: { '/v1': 'http://127.0.0.1:7077', '/readyz': 'http://127.0.0.1:7077' } },
});
