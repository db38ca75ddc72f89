// Before `npm start` and `npm run dev`. In old JavaScript: it runs on whatever Node there is.
const wanted = require('../package.json').engines.node.replace('>=', '')
const given = process.versions.node
if (given.localeCompare(wanted, 'en', { numeric: true }) < 0) {
  console.error(`Roomwire needs Node ${wanted} or later, and this is ${given}.`)
  process.exit(1)
}
