// Makes volume.js from src/. Its first line holds the SHA-256 of the modules, by which a test tells whether it is theirs.
import { createHash } from "node:crypto"
import { readFileSync, readdirSync } from "node:fs"
import { build } from "esbuild"

const digest = createHash("sha256")
for (const name of readdirSync("src").sort()) digest.update(readFileSync(`src/${name}`))
await build({
  entryPoints: ["src/main.js"],
  bundle: true,
  format: "esm",
  charset: "utf8",
  banner: { js: `// Built from src/ ${digest.digest("hex")}: edit there, then run npm run build.` },
  outfile: "volume.js",
})
