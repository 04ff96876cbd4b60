/**
 * onnxruntime-node 1.30.0 sends telemetry unless this is set before its library loads: it resolves a vendor's host and writes
 * files under the home and temporary folders. Imported first by whatever loads the library or starts a thread that does;
 * in such a thread it is too late, since threads have a copy of the environment.
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1';
