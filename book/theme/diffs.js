// The colours of Rust inside of differences. mdBook's highlighter knows a text by one language, and has made these red and green.
(() => {
    for (const code of document.querySelectorAll("figure.listing code.language-diff")) {
        const file = code.closest("figure").querySelector("figcaption code");
        if (typeof hljs === "undefined" || !file || !file.textContent.endsWith(".rs")) continue;
        const kinds = { "+": "added", "-": "removed" };
        // What began in a line before, such as a long string, goes on in the next of the same side.
        const states = {};
        const lines = code.textContent.replace(/\n$/, "").split("\n").map((line) => {
            const sign = line[0] ?? "";
            const span = document.createElement("span");
            if (line.startsWith("@@")) {
                span.className = "hljs-meta";
                span.textContent = line;
                return span.outerHTML;
            }
            const found = hljs.highlight("rust", line.slice(1), true, states[sign]);
            states[sign] = found.top;
            span.className = kinds[sign] ?? "";
            span.innerHTML = (kinds[sign] ? `<b class="sign">${sign}</b>` : " ") + found.value;
            return span.outerHTML;
        });
        code.innerHTML = lines.join("\n") + "\n";
    }
})();
