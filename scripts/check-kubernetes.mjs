/**
 * The Kubernetes manifests against real schemas, offline: PyPI's `kubernetes-validate` has those of Kubernetes, `cloudcoil.models` those of
 * KEDA and the Prometheus operator; the proxy's configuration is read by the Envoy that PyPI has. The base file by file; the overlays
 * as kustomize makes them, where a `kubectl` with kustomize 4 or later is there, and a word where it is not.
 */
import process from 'node:process';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { parseAllDocuments, stringify } from 'yaml';
import { PYTHON, ensurePackages } from './python-venv.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const ROOT = 'deploy/kubernetes';
const PROXY = join(ROOT, 'components/proxy');

for (const [modules, requirements] of [
  ['kubernetes_validate, cloudcoil.models.keda, cloudcoil.models.prometheus_operator', ROOT],
  ['envoy', PROXY],
]) {
  if (!(await ensurePackages(modules, join(requirements, 'requirements.txt'), 'the Kubernetes manifests'))) {
    throw new Error(`${modules} could not be installed into .venv: python3 with venv and pip is needed`);
  }
}

/** Kubernetes' own kinds: their group has no domain, or one of Kubernetes. */
const isOwn = ({ apiVersion }) => !/\./.test(apiVersion) || /\.k8s\.io\//.test(apiVersion);
const documentsOf = (text) => parseAllDocuments(text).map((document) => document.toJSON());

function overlays() {
  const version = /Kustomize Version: v(\d+)/.exec(
    spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1];
  return readdirSync(join(ROOT, 'overlays')).flatMap((name) => {
    if (version === undefined || Number(version) < 4) {
      process.stderr.write(`NOT CHECKED, no kubectl with kustomize 4 here: overlay ${name}\n`);
      return [];
    }
    const made = spawnSync('kubectl', ['kustomize', join(ROOT, 'overlays', name)], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`overlay ${name}: ${made.stderr}`);
    return [[`overlay ${name}`, documentsOf(made.stdout)]];
  });
}

function files(folder) {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml' && name !== 'envoy.yaml')
    .map((name) => [`${folder}/${name}`, documentsOf(readFileSync(join(ROOT, folder, name), 'utf8'))]);
}

const out = mkdtempSync(join(tmpdir(), 'action-energy-kubernetes-'));
let failed = false;
const check = (name, command, args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  failed = true;
  process.stderr.write(`${name}: ${stdout}${stderr}\n`);
};
try {
  const components = readdirSync(join(ROOT, 'components')).flatMap((name) => files(`components/${name}`));
  const manifests = [...files('base'), ...components, ...overlays()];
  const own = manifests.map(([name, documents]) => {
    const file = join(out, `${name.replaceAll(/\W+/g, '-')}.yaml`);
    writeFileSync(
      file,
      documents
        .filter(isOwn)
        .map((document) => stringify(document))
        .join('---\n'),
    );
    return file;
  });
  const custom = join(out, 'custom.json');
  const others = ([name, documents]) =>
    documents.filter((each) => !isOwn(each)).map((document) => ({ name, document }));
  writeFileSync(custom, JSON.stringify(manifests.flatMap(others)));
  check('Kubernetes', PYTHON, ['-m', 'kubernetes_validate', '--strict', '--quiet', ...own]);
  check('custom resources', PYTHON, ['scripts/check-custom-resources.py', custom]);
  const about = ['-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=action-energy', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...about, '-keyout', 'tls.key', '-out', 'tls.crt'], {
    cwd: out,
    stdio: 'pipe',
  });
  const envoy = readFileSync(join(PROXY, 'envoy.yaml'), 'utf8')
    .replaceAll('/etc/action-energy/tls/', `${out}/`)
    .replace('ca.crt', 'tls.crt');
  writeFileSync(join(out, 'envoy.yaml'), envoy);
  check('envoy.yaml', '.venv/bin/envoy', ['--mode', 'validate', '-c', join(out, 'envoy.yaml')]);
  if (failed) process.exitCode = 1;
  else
    process.stdout.write(
      `${manifests.length} manifests and the proxy's configuration hold against the schemas\n`,
    );
} finally {
  rmSync(out, { recursive: true });
}
