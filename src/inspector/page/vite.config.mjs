/** Builds the inspector's page into dist/page: own files only, nothing is fetched from elsewhere. */
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  publicDir: false,
  logLevel: 'warn',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    outDir: '../../../dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // A policy that lets no inline script in also lets no data: script in.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
