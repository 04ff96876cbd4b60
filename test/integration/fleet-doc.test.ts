/** docs/fleet.md: its commands print what stands below them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runCli } from '../support/cli.js';

const page = await readFile(new URL('../../../docs/fleet.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```console\n\$ npx action-energy (.+)\n([^]*?)```$/gm)];

test('there are commands with their answers', () => assert.ok(blocks.length >= 5, String(blocks.length)));

for (const [, command = '', wanted] of blocks) {
  test(command, async () => {
    const { stdout, stderr } = await runCli(...command.split(' '));
    assert.equal(stdout + stderr, wanted);
  });
}
