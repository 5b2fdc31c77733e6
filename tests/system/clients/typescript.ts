// Client made by openapi-typescript and openapi-fetch: upload, list, change, read a range, delete, wait, and print.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.ts";

declare const process: { env: Record<string, string> };
const { BASE_URL, TOKEN, FILE } = process.env;

async function patiently(request: Request): Promise<Response> {
  const isUpload = request.method === "POST" && new URL(request.url).pathname.endsWith("/v1/images");
  const repeatedIf = isUpload || request.method === "GET" ? [429, 503] : [429];
  for (let triesLeft = 4; ; triesLeft--) {
    const response = await fetch(request.clone());
    const seconds = Number(response.headers.get("Retry-After") ?? 1);
    if (!repeatedIf.includes(response.status) || seconds > 60 || triesLeft === 0) return response;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

const headers = { Authorization: `Bearer ${TOKEN}` };
const client = createClient<paths>({ baseUrl: BASE_URL, headers, fetch: patiently });

const bytes = Uint8Array.from(FILE.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const fields: components["schemas"]["UploadForm"] = {
  file: "",
  title: "Red",
  tags: ["color", "flat"],
  attributes: { sensor: { iso: 100 } },
};
const stored = await client.POST("/v1/images", {
  body: fields,
  bodySerializer() {
    const form = new FormData();
    form.set("title", fields.title ?? "");
    for (const tag of fields.tags ?? []) form.append("tags", tag);
    form.set("attributes", new Blob([JSON.stringify(fields.attributes)], { type: "application/json" }));
    form.set("file", new File([bytes], "red.png"));
    return form;
  },
});
const image = stored.data;
if (!image) throw new Error(JSON.stringify(stored.error));

const path = { id: image.id };
const page = await client.GET("/v1/images", { params: { query: { limit: 1, tag: ["color", "flat"] } } });
const changed = await client.PATCH("/v1/images/{id}", { params: { path }, body: { title: "Rectangle" } });
const range = await client.GET("/v1/images/{id}/content", {
  params: { path, header: { Range: "bytes=1-3" } },
  parseAs: "text",
});
const deleted = await client.DELETE("/v1/images/{id}", { params: { path } });
const missing = await client.GET("/v1/images/{id}", { params: { path } });
let last = missing;
let hasWaited = false;
for (let n = 0; n < 200 && !hasWaited; n++) {
  const began = performance.now();
  last = await client.GET("/v1/images/{id}", { params: { path } }); // the token may send 10 requests a second
  hasWaited = performance.now() - began >= 900;
}

console.log(
  JSON.stringify({
    image,
    page: page.data?.images.map(({ id }) => id === image.id),
    title: changed.data?.title,
    range: [range.response.status, range.data],
    deleted: deleted.response.status,
    missing: missing.error?.type,
    patient: [last.response.status, hasWaited],
  }),
);
