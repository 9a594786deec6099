// Starts the npm server on a free port, with connections kept alive as ours are, and tells the port.
const { createHttpServer } = require("@vercel/cosmosdb-server");

const server = createHttpServer({ keepAlive: true });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
