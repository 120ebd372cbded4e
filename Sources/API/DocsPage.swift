/// The documentation page: our own HTML, script and style, part of the binary.
enum DocsPage {
    static func landing(prefix: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>nodepass</title>
        <link rel="stylesheet" href="\(prefix)/v1/docs/style.css">
        <main>
        <h1>nodepass</h1>
        <p>This daemon runs tunnels. <a href="\(prefix)/v1/docs">Read and try its API</a>,
        or fetch the <a href="\(prefix)/v1/openapi.json">OpenAPI document</a>.</p>
        </main>
        </html>

        """
    }

    static let html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>nodepass API</title>
        <link rel="stylesheet" href="docs/style.css">
        <main>
        <header>
        <h1>nodepass API <small id="version"></small></h1>
        <label>API key <input id="key" type="password" autocomplete="off" spellcheck="false"></label>
        </header>
        <p id="about"></p>
        <div id="operations"></div>
        <h2>Schemas</h2>
        <div id="schemas"></div>
        <noscript>This page needs JavaScript; the same document is at <a href="openapi.json">openapi.json</a>.</noscript>
        </main>
        <script src="docs/app.js"></script>
        </html>

        """

    static let style = """
        :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
        body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
        header { display: flex; flex-wrap: wrap; gap: 1rem; align-items: baseline; justify-content: space-between; }
        h1 small { font-weight: normal; opacity: .6; }
        details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .8rem; }
        summary { cursor: pointer; padding: .5rem 0; display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; }
        summary b { font-family: ui-monospace, monospace; min-width: 4.5rem; }
        summary code { font-weight: 600; overflow-wrap: anywhere; }
        b.get { color: #1668c7; } b.post { color: #1a7f37; } b.patch { color: #9a6700; }
        b.put { color: #8250df; } b.delete { color: #cf222e; }
        label { display: block; margin: .5rem 0; }
        label span { display: block; font-size: .85rem; opacity: .75; }
        input, textarea, button { font: inherit; padding: .3rem .5rem; box-sizing: border-box; }
        input[type=text], textarea { width: 100%; font-family: ui-monospace, monospace; }
        pre { overflow: auto; max-height: 24rem; padding: .6rem; border: 1px solid var(--line); border-radius: .3rem; }
        table { border-collapse: collapse; } td { padding: .1rem .8rem .1rem 0; vertical-align: top; }

        """
}
