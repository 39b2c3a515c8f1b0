// Node's own fetch against the base URL of the environment. usage: node fetch.mjs [--stream]
const stream = process.argv.includes("--stream");
const started = Date.now();
const response = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", {
	method: "POST",
	headers: { "x-api-key": process.env.ANTHROPIC_API_KEY, "content-type": "application/json" },
	body: JSON.stringify({ model: "m", max_tokens: 1, stream, messages: [{ role: "user", content: "hi" }] }),
});
const arrivals = [];
let text = "";
for await (const part of response.body) {
	arrivals.push(Date.now() - started);
	text += new TextDecoder().decode(part);
}
console.log(JSON.stringify({ status: response.status, text, arrivals }));
