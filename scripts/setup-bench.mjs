/** What `npm run bench:service` needs beside Node: the gRPC client that policy servers use, in `.venv`. */
import process from 'node:process';
import { ensurePackages } from './python-venv.mjs';

if (!(await ensurePackages('grpc', 'bench/requirements.txt', 'the load client'))) {
  process.stderr.write('grpcio could not be installed into .venv: python3 with venv and pip is needed\n');
  process.exitCode = 1;
}
