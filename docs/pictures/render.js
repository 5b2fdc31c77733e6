// Graphviz: writes NAME.svg beside each NAME.dot. `make pictures` runs it, and checks nothing else.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = new URL(".", import.meta.url);
const { instance } = await import(pathToFileURL(process.argv[2]).href);
const viz = await instance();
const attributes = {
    graphAttributes: { bgcolor: "transparent", fontname: "sans-serif", fontsize: 13, color: "#7d8590" },
    nodeAttributes: { shape: "box", fontname: "sans-serif", fontsize: 13, margin: "0.45,0.12" },
    edgeAttributes: { fontname: "sans-serif", fontsize: 11 },
};
// The SVG follows the color scheme of the reader, also as an <img>.
const style = `<style>
text { fill: #1f2328 } polygon, path, ellipse, polyline { stroke: #57606a } .edge polygon { fill: #57606a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } polygon, path, ellipse, polyline { stroke: #9198a1 } .edge polygon { fill: #9198a1 } }
</style>`;
for (const name of readdirSync(folder).filter((name) => name.endsWith(".dot"))) {
    const svg = viz.renderString(readFileSync(new URL(name, folder), "utf8"), { format: "svg", ...attributes });
    const plain = svg.replace(/^[^]*?(?=<svg)/, "").replace(/ (?:fill|stroke)="(?:black|#7d8590)"/g, "");
    writeFileSync(new URL(name.replace(/dot$/, "svg"), folder), plain.replace(/(<svg[^>]*>)/, `$1\n${style}`));
}
