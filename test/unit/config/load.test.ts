import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { isLoopback } from '../../../src/config/checks.js';
import { addConfigOptions, configFlags } from '../../../src/config/flags.js';
import { loadConfig } from '../../../src/config/load.js';
import { configReference } from '../../../src/config/reference.js';
import { SETTINGS } from '../../../src/config/settings.js';
import { Fault } from '../../../src/errors.js';
import { temporaryFile } from '../../support/temporary-file.js';

const yamlFile = (text: string): string => temporaryFile('config.yaml', text);

function problems(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault && error.kind === 'invalid', String(error));
    return error.message;
  }
  assert.fail('accepted');
}

test('flag before environment before file before default', () => {
  const file = yamlFile('limits: { tokens: 11, steps: 12, contexts: 13 }\nlog:\n');
  const config = loadConfig({
    file,
    env: {
      ACTION_ENERGY_MAX_TOKENS: '21',
      ACTION_ENERGY_MAX_STEPS: '22',
      ACTION_ENERGY_PORT: 'tcp://10.0.0.1:1',
    },
    flags: { 'max-tokens': '31' },
  });
  assert.deepEqual([config.limits.tokens, config.limits.steps, config.limits.contexts], [31, 22, 13]);
  assert.equal(config.limits.candidates, loadConfig({}).limits.candidates);
  assert.equal(loadConfig({ env: { ACTION_ENERGY_CONFIG: file } }).limits.tokens, 11);
  assert.throws(() => Object.assign(config.limits, { tokens: 1 }), TypeError);
});

test('every problem is reported, with where it came from', () => {
  const file = yamlFile('limits: { tokens: 0, colour: blue }\nlamp: { on: true }\nengine: 5\n');
  const text = problems(() =>
    loadConfig({
      file,
      env: { ACTION_ENERGY_PROVIDER: 'tpu', ACTION_ENERGY_MAX_STEPS: 'many' },
      flags: { model: ['x'] },
    }),
  );
  for (const expected of [
    /limits\.tokens \(.*config\.yaml\): found 0/,
    /limits\.colour .*no such key/,
    /lamp .*no such key/,
    /limits\.steps \(ACTION_ENERGY_MAX_STEPS\): found "many"/,
    /models\.named \(--model\): found "x"/,
    /engine \(.*\): found 5/,
  ]) {
    assert.match(text, expected);
  }
  const provider = problems(() => loadConfig({ env: { ACTION_ENERGY_PROVIDER: 'tpu' } }));
  assert.match(provider, /engine\.provider \(ACTION_ENERGY_PROVIDER\): found "tpu"/);
});

test('a missing or broken file is a problem, not a crash', () => {
  assert.match(
    problems(() => loadConfig({ file: '/no/such/file.yaml' })),
    /no such file/,
  );
  assert.match(
    problems(() => loadConfig({ file: yamlFile('a: [1') })),
    /config\.yaml/,
  );
  assert.match(
    problems(() => loadConfig({ file: yamlFile('- 1') })),
    /wanted sections/,
  );
  assert.deepEqual(loadConfig({ file: yamlFile('') }), loadConfig({}));
});

test('an alias is a problem, one that refers to itself like any other', () => {
  for (const text of ['models: &a { named: *a }', 'a: &a [x]\nb: *a', 'limits: &l { tokens: *l }']) {
    assert.match(
      problems(() => loadConfig({ file: yamlFile(text) })),
      /config\.yaml: aliases are not taken; found \*[al] at character \d+/,
    );
  }
});

test('a metrics page that other machines reach needs a word, too', () => {
  const at = (flags: Record<string, string | boolean>) => () =>
    loadConfig({ flags: { 'metrics-address': '0.0.0.0:9464', ...flags } });
  assert.match(problems(at({})), /metrics\.address \(--metrics-address\): 0\.0\.0\.0:9464.*--metrics-public/);
  assert.doesNotThrow(at({ 'metrics-public': true }));
  assert.doesNotThrow(at({ 'insecure-public': true }));
  assert.doesNotThrow(at({ 'metrics-address': '127.0.0.1:9464' }));
  assert.doesNotThrow(at({ 'metrics-address': 'none' }));
  // a word for the metrics is none for the service
  assert.match(problems(at({ 'metrics-public': true, address: '0.0.0.0:1' })), /no TLS/);
});

test('a public address needs TLS and authentication, or a word', () => {
  const at = (flags: Record<string, string | boolean>) => () =>
    loadConfig({ flags: { address: '0.0.0.0:1', ...flags } });
  const tls = { 'tls-cert': 'c', 'tls-key': 'k' };
  assert.match(problems(at({})), /no TLS and no authentication/);
  assert.match(problems(at(tls)), /TLS and no authentication/);
  assert.match(problems(at({ 'tokens-file': 't' })), /no TLS and authentication/);
  assert.doesNotThrow(at({ ...tls, 'tokens-file': 't' }));
  assert.doesNotThrow(at({ ...tls, 'tls-client-ca': 'a' }));
  assert.doesNotThrow(at({ 'insecure-public': true }));
  assert.match(
    problems(() => loadConfig({ flags: { 'tls-cert': 'c', 'tls-client-ca': 'a' } })),
    /both or neither/,
  );
  assert.match(
    problems(() => loadConfig({ flags: { address: 'none' } })),
    /at least one/,
  );
  assert.match(
    problems(() => loadConfig({ flags: { address: '127.0.0.1:70000' } })),
    /65535/,
  );
  assert.match(
    problems(() => loadConfig({ flags: { 'context-lease-ms': '9999999' } })),
    /maxLeaseMs/,
  );
});

test('loopback is what only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '0:0:0:0:0:0:0:1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'robot', '2001::1', '128.0.0.1'])
    assert.ok(!isLoopback(host), host);
});

test('flags on a command line become settings', () => {
  const command = addConfigOptions(new Command('serve')).exitOverride();
  command.parse(
    ['--model', 'a=/x', '--model', 'b=/y=z', '--threads', '3', '--insecure-public', '--address', '[::1]:9'],
    {
      from: 'user',
    },
  );
  const config = loadConfig(configFlags(command));
  assert.deepEqual(config.models.named, { a: '/x', b: '/y=z' });
  assert.deepEqual(
    [config.engine.threads, config.listen.insecurePublic, config.listen.address],
    [3, true, '[::1]:9'],
  );
});

test('flags are unique and the reference has them all', () => {
  assert.equal(new Set(SETTINGS.map(({ flag }) => flag)).size, SETTINGS.length);
  const text = configReference();
  for (const { flag, env } of SETTINGS) assert.ok(text.includes(`\`--${flag}\` | \`${env}\``), flag);
});

test('a model named __proto__ is refused, not passed over', () => {
  assert.match(
    problems(() => loadConfig({ flags: { model: ['__proto__=/srv/m'] } })),
    /models\.named\.__proto__: not a name/,
  );
  const file = yamlFile('models:\n  named:\n    __proto__: /srv/m\n');
  assert.match(
    problems(() => loadConfig({ file })),
    /models\.named\.__proto__: not a name/,
  );
});
