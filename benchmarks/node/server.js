// A bare `ws` server: accepts sockets, and sends what is POSTed to every one of them.
const http = require('http');
const { WebSocketServer } = require('ws');
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const payload = Buffer.concat(parts);
    for (const client of sockets.clients) client.send(payload);
    response.end('ok');
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
