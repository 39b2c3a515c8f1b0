// The Anthropic SDK as an agent uses it: everything from the environment. usage: node sdk.mjs [--stream] [MODEL]
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic();
const request = { model: "claude-sonnet-4-5", max_tokens: 64, messages: [{ role: "user", content: "Say hello." }] };
try {
	if (process.argv.includes("--stream")) {
		let text = "", events = 0;
		for await (const event of client.messages.stream(request)) {
			events++;
			if (event.type === "content_block_delta") text += event.delta.text;
		}
		console.log(JSON.stringify({ text, events }));
	} else {
		const message = await client.messages.create(request);
		console.log(JSON.stringify({ text: message.content[0].text }));
	}
} catch (e) {
	console.log(JSON.stringify({ status: e.status, message: e.message }));
	process.exit(3);
}
