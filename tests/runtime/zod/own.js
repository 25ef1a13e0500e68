// zod as the sandbox brings it, in the shape that zod's own tests import
const { z } = require("zod");

module.exports = { ...z, z };
