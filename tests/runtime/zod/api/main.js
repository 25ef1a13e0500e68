// GET /api?file=NAME runs one of the files of zod's own tests
module.exports = async (request) => {
  const { run } = require(`./tests/${request.query.file}`);
  return { json: await run() };
};
