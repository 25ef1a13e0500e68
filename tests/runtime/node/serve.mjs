// Serves the app of a file by node, on a free port of this machine, which is its first line.
import { serve } from "@hono/node-server";
import { pathToFileURL } from "node:url";

const { default: app } = await import(pathToFileURL(process.argv[2]).href);
// without an error of the app being printed, as the other side prints none
console.error = () => {};
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(port));
