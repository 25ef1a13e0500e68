// GET /api?lib=NAME&from=N&to=N: what becomes of some of the calls of a library
const { outcomes } = require("./table");

module.exports = async (request) => {
  const { lib, from, to } = request.query;
  const calls = require(`./${lib}`)(require(lib));
  return { json: { count: calls.length, told: await outcomes(calls.slice(Number(from), Number(to))) } };
};
