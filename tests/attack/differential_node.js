// Node's own HTTP server, which says how it read each request.
const http = require("http");
const hex = text => Buffer.from(text ?? "", "latin1").toString("hex");
const server = http.createServer((request, response) => {
	const parts = [];
	request.on("data", part => parts.push(part));
	request.on("end", () => {
		const text = JSON.stringify({method: request.method, target: hex(request.url), host: hex(request.headers.host), body: Buffer.concat(parts).toString("hex")});
		response.writeHead(200, {"Content-Length": text.length});
		response.end(text);
	});
});
// What stands behind a request may be refused, but not before that one is answered: the default would throw its answer away.
server.on("clientError", (error, socket) => setTimeout(() => socket.writable && socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), 3));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
