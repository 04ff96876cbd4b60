/** ONNX Runtime, quiet. Nothing else imports `onnxruntime-node`. */
import './telemetry.js';

export { InferenceSession, Tensor } from 'onnxruntime-node';
