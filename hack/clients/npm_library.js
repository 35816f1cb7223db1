// Prints the names of N certificates that the certstream library calls back with.
const CertStreamClient = require("certstream");

const [url, wanted] = [process.argv[2], Number(process.argv[3])];
let seen = 0;

const client = new CertStreamClient((message) => {
  if (message.message_type !== "certificate_update" || message.data.leaf_cert.all_domains.length === 0) return;
  console.log(message.data.leaf_cert.all_domains[0], "|", message.data.leaf_cert.issuer.O, "|", message.data.source.name);
  if (++seen === wanted) process.exit(0);
});
client.connect(url);
