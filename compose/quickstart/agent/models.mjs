// A service that others call: says what its API answered to it.
import { createServer } from "node:http";

createServer(async (request, response) => {
  if (request.url === "/healthz") return response.end("ok\n");
  try {
    const answer = await fetch(`${process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1"}/models`, {
      headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
    });
    response.writeHead(answer.status).end(await answer.text());
  } catch (error) {
    response.writeHead(502).end(`${error}\n`);
  }
}).listen(8080);
