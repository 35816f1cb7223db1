// Reads a stream over crashes of the server and of this program: it goes on after the last message that it has handled.
//
// node node.js ws://localhost:8080/ FILE    (npm install certstream)
const fs = require("fs");
const CertStreamClient = require("certstream");

const [url, file] = process.argv.slice(2);
let since = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";

function save(cursor) {
  since = cursor;
  fs.writeFileSync(file + ".new", cursor);
  fs.renameSync(file + ".new", file); // whole, or not at all
}

function onMessage(message) {
  const data = message.data || {};
  if (message.message_type === "certificate_update")
    console.log(data.source.url, data.cert_index, ...data.leaf_cert.all_domains);
  if (message.message_type === "gap") console.error("missed", data.missed, data.reason);
  const cursor = message.cursor || data.to; // a gap ends at "to"
  if (cursor) save(cursor);
}

function connect() {
  let silent; // heartbeats come every ten seconds: without any message for a minute, the path is dead
  const alive = () => {
    clearTimeout(silent);
    silent = setTimeout(() => client.ws.terminate(), 60000);
  };
  const client = new CertStreamClient((message) => {
    alive();
    onMessage(message);
  });
  client.connect(since ? `${url}?since=${since}` : url);
  alive();
  client.ws.on("error", () => {}); // a close follows
  client.ws.on("close", () => {
    clearTimeout(silent);
    setTimeout(connect, 1000);
  });
}

connect();
