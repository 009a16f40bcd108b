// The demonstration city for tests in JavaScript: city.py starts it, and ends it when our end of its standard input closes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export async function startCity() {
  const process = spawn("python3", [new URL("city.py", import.meta.url).pathname], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(process, "exit");
  const lines = createInterface({ input: process.stdout });
  const first = await Promise.race([once(lines, "line"), exited.then(() => null)]);
  if (!first) throw new Error("the city did not start");
  const { url, tokens } = JSON.parse(first[0]);
  return {
    url,
    tokens,
    async stop() {
      process.stdin.end();
      await exited;
    },
  };
}
