// As much of `node:assert/strict` as ../clients/node/checks.mjs uses, for a web page.

export default function assert(value, message = `not true: ${value}`) {
  if (!value) throw new Error(message);
}

assert.equal = (actual, expected) => assert(Object.is(actual, expected), `${actual} is not ${expected}`);

// Of values that JSON can hold.
assert.deepEqual = (actual, expected) => assert.equal(JSON.stringify(actual), JSON.stringify(expected));

assert.match = (text, pattern) => assert(pattern.test(text), `${text} does not match ${pattern}`);

assert.rejects = async (promise) => {
  const outcome = await promise.then(
    (value) => `resolved with ${value}`,
    () => 'rejected',
  );
  assert.equal(outcome, 'rejected');
};
