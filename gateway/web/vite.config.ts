// One self-contained file: the gateway serves it whole, under a policy that
// admits only what these hashes name.
import { defineConfig, type Plugin } from "vite";

function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_options, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("no index.html");
      let html = String(page.source);
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === "chunk") {
          const code = part.code.trim().replaceAll("</script", "<\\/script");
          html = replaced(html, new RegExp(`<script[^>]*${name}[^>]*></script>`), "");
          html = replaced(html, /<\/body>/, `<script type="module">${code}</script>\n</body>`);
        } else if (name.endsWith(".css")) {
          const rules = String(part.source).trim();
          html = replaced(html, new RegExp(`<link[^>]*${name}[^>]*>`), `<style>${rules}</style>`);
        } else {
          continue;
        }
        delete bundle[name];
      }
      page.source = html.replace(/\n\s*\n+/g, "\n");
    },
  };
}

function replaced(html: string, what: RegExp, by: string): string {
  if (!what.test(html)) throw new Error(`not in index.html: ${what}`);
  return html.replace(what, () => by);
}

export default defineConfig({
  plugins: [oneFile()],
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
