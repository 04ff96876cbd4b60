import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { IndexedHeap } from '../../../src/batching/heap.js';

interface Item {
  key: number;
}

it('a heap gives the same first item as a sorted list, under pushes, removals and changed keys', () => {
  const command = fc.record({
    kind: fc.constantFrom('push', 'push', 'remove', 'rekey', 'pop'),
    pick: fc.nat(),
    key: fc.integer({ min: 0, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200, size: 'max' }), (commands) => {
      const heap = new IndexedHeap<Item>((a, b) => a.key < b.key);
      const model: Item[] = [];
      for (const { kind, pick, key } of commands) {
        const picked = model[pick % Math.max(1, model.length)];
        if (kind === 'push') {
          const item = { key };
          heap.push(item);
          model.push(item);
        } else if (kind === 'pop') {
          const first = heap.peek();
          if (first === undefined) continue;
          assert.ok(heap.remove(first));
          model.splice(model.indexOf(first), 1);
        } else if (picked !== undefined && kind === 'remove') {
          assert.ok(heap.remove(picked));
          assert.ok(!heap.remove(picked));
          model.splice(model.indexOf(picked), 1);
        } else if (picked !== undefined) {
          picked.key = key;
          heap.update(picked);
        }
        assert.equal(heap.size, model.length);
        assert.equal(heap.peek()?.key, model.length === 0 ? undefined : Math.min(...model.map((m) => m.key)));
        for (const item of model) assert.ok(heap.has(item));
      }
    }),
  );
});
