import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { TokenStore } from '../../../src/serving/token-store.js';
import { temporaryFile } from '../../support/temporary-file.js';

const TOKEN = 'correct-horse-battery';
const SHA256 = createHash('sha256').update('another-long-secret').digest('hex');

const tokensFile = (text: string): string => temporaryFile('tokens.yaml', text);

const GOOD = `tokens:
  - { name: arm, token: ${TOKEN}, permissions: [score] }
  - { name: operator, sha256: ${SHA256}, permissions: [score, admin] }
`;

test('tokens are found by text or digest, others are not', () => {
  const store = new TokenStore(tokensFile(GOOD));
  assert.equal(store.find(TOKEN)?.name, 'arm');
  assert.deepEqual([...(store.find('another-long-secret')?.permissions ?? [])], ['score', 'admin']);
  for (const wrong of ['', TOKEN.slice(1), `${TOKEN} `, SHA256]) assert.equal(store.find(wrong), undefined);
});

test('reloading takes new tokens and keeps the old ones when the file is bad', () => {
  const file = tokensFile(GOOD);
  const store = new TokenStore(file);
  writeFileSync(file, 'tokens: []\n');
  assert.throws(() => store.reload(), Fault);
  assert.equal(store.find(TOKEN)?.name, 'arm');
  writeFileSync(file, 'tokens: [{ name: new, token: a-new-long-secret, permissions: [score] }]\n');
  store.reload();
  assert.equal(store.find(TOKEN), undefined);
  assert.equal(store.find('a-new-long-secret')?.name, 'new');
});

test('errors name the entry and never show a token', () => {
  for (const [text, expected] of [
    ['tokens: [{ name: a, token: short-secret, permissions: [score] }]', /tokens\.0/],
    [`tokens: [{ name: a, token: ${TOKEN}, permissions: [drive] }]`, /tokens\.0/],
    [`tokens: [{ name: a, token: ${TOKEN}, permissions: [] }]`, /tokens\.0/],
    [`tokens: [{ name: a, token: ${TOKEN}, sha256: ${SHA256}, permissions: [score] }]`, /tokens\.0/],
    [GOOD.replace('operator', 'arm'), /a name twice; found arm/],
    [`tokens: [ ${TOKEN}`, /not YAML; found BAD_/],
    [`${TOKEN}`, /file/],
    [`tokens: &${TOKEN} [ *${TOKEN} ]`, /aliases are not taken; found an alias/],
    [
      GOOD.replace(SHA256, createHash('sha256').update(TOKEN).digest('hex')),
      /one token under two names; found arm and operator/,
    ],
  ] as const) {
    assert.throws(
      () => new TokenStore(tokensFile(text)),
      (error) => {
        assert.ok(error instanceof Fault && error.kind === 'invalid');
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /short-secret|correct-horse/);
        return true;
      },
    );
  }
  assert.throws(() => new TokenStore('/no/such/tokens.yaml'), /no such file/);
});

test('a file that others may read or write is told', { skip: process.platform === 'win32' }, () => {
  const file = tokensFile(GOOD);
  const store = new TokenStore(file);
  for (const [mode, told] of [
    [0o600, false],
    [0o640, false],
    [0o644, true],
    [0o602, true],
  ] as const) {
    chmodSync(file, mode);
    assert.equal(store.exposure() !== undefined, told, mode.toString(8));
  }
});
