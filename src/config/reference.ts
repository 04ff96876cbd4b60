/** docs/configuration.md, made from the schema by `npm run generate`. */
import { CONFIG_FILE_ENV } from './load.js';
import { SETTINGS, type Setting } from './settings.js';

const HEAD = `<!-- Made by \`npm run generate\` from src/config/schema.ts; do not edit. -->

# Configuration of \`action-energy serve\`

A setting may be given as a flag, as an environment variable, or in a YAML file (\`--config FILE\` or
\`${CONFIG_FILE_ENV}\`); the first of these that has it wins, then the default. All problems are reported together, and
\`action-energy serve --check\` reports them and exits. Names end in their unit.

\`\`\`yaml
models:
  named: { spatial: /srv/models/spatial }
listen:
  address: 0.0.0.0:50051
tls:
  cert: /etc/action-energy/server.pem
  key: /etc/action-energy/server.key
auth:
  tokensFile: /etc/action-energy/tokens.yaml
\`\`\`

The tokens file lists who may do what. \`sha256\` is the hex digest of the token (\`printf %s TOKEN | sha256sum\`), so that the
file holds no secret; \`token\` may stand in its place. Permissions: \`score\`, \`calibrate\`, \`train\`, \`admin\`.

\`\`\`yaml
tokens:
  - name: arm-7
    sha256: 9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de
    permissions: [score]
\`\`\`
`;

function range({ choices, minimum, maximum, kind }: Setting): string {
  if (choices) return choices.join(', ');
  if (minimum !== undefined && maximum !== undefined) return `${kind}, ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${kind}, at least ${minimum}`;
  if (maximum !== undefined) return `${kind}, at most ${maximum}`;
  return kind === 'record' ? 'names to folders' : kind;
}

function fallback({ kind, fallback: value }: Setting): string {
  return value === undefined || kind === 'record'
    ? ''
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** The whole page. */
export function configReference(): string {
  const groups = [...new Set(SETTINGS.map((setting) => setting.group))];
  const tables = groups.map((group) => {
    const rows = SETTINGS.filter((setting) => setting.group === group).map(
      (setting) =>
        `| \`${setting.path.join('.')}\` | \`--${setting.flag}\` | \`${setting.env}\` | ${range(setting)} | ` +
        `${fallback(setting)} | ${setting.description} |`,
    );
    return [
      `## ${group}`,
      '',
      '| key | flag | environment | values | default | meaning |',
      '| - | - | - | - | - | - |',
      ...rows,
    ].join('\n');
  });
  return `${[HEAD.trimEnd(), ...tables].join('\n\n')}\n`;
}
