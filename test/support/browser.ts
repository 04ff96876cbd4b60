/** A real browser without a window: prints a page, and measures one at a given width. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const COMMAND = ['chromium', 'chromium-browser', 'google-chrome'].find(isThere);
const TIME_LIMIT_MS = 120_000;

function isThere(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function hasBrowser(): boolean {
  return COMMAND !== undefined;
}

/** Sheets of A4 that the page prints on. */
export async function printedPages(html: string): Promise<number> {
  return withPage(html, async (file, directory) => {
    const pdf = path.join(directory, 'page.pdf');
    await headless(directory, '--no-pdf-header-footer', `--print-to-pdf=${pdf}`, file);
    const text = await readFile(pdf, 'latin1');
    return [...text.matchAll(/\/Type\s*\/Page\b(?!s)/g)].length;
  });
}

export interface Overflow {
  /** Width of the page's content and of its window, in CSS pixels. */
  readonly content: number;
  readonly window: number;
  /** Elements that reach beyond the window or hide a part of their own content. */
  readonly cut: readonly string[];
}

/** The page in a frame `width` pixels wide. */
export async function overflowAt(html: string, width: number): Promise<Overflow> {
  const measure = `(frame) => {
    const page = frame.contentDocument;
    const root = page.documentElement;
    const cut = [...page.querySelectorAll('body *:not(svg *)')]
      .filter((each) => {
        const box = each.getBoundingClientRect();
        return box.right > root.clientWidth + 0.5 || box.left < -0.5 || (each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1);
      })
      .map((each) => each.tagName + ' ' + each.textContent.slice(0, 60));
    return JSON.stringify({ content: root.scrollWidth, window: root.clientWidth, cut });
  }`;
  const frame = `<!doctype html><meta charset="utf-8"><iframe style="width:${width}px;height:900px;border:0" srcdoc="${html.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></iframe>
<script>document.querySelector('iframe').onload = (event) => {
  const out = document.createElement('pre');
  out.id = 'measured';
  out.textContent = (${measure})(event.target);
  document.body.replaceChildren(out);
};</script>`;
  return withPage(frame, async (file, directory) => {
    const dom = await headless(
      directory,
      '--window-size=1200,1000',
      '--virtual-time-budget=10000',
      '--dump-dom',
      file,
    );
    const [, found] = /<pre id="measured">(.*?)<\/pre>/s.exec(dom) ?? [];
    if (found === undefined) throw new Error(`the browser measured nothing: ${dom.slice(0, 500)}`);
    const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };
    return JSON.parse(found.replaceAll(/&(lt|gt|amp);/g, (entity) => entities[entity]!)) as Overflow;
  });
}

async function withPage<T>(html: string, use: (url: string, directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-browser-'));
  try {
    const file = path.join(directory, 'page.html');
    await writeFile(file, html);
    return await use(pathToFileURL(file).href, directory);
  } finally {
    await rm(directory, { recursive: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function headless(directory: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    COMMAND!,
    [
      '--headless',
      '--no-sandbox', // as root, in a container
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--user-data-dir=${path.join(directory, 'profile')}`,
      ...args,
    ],
    { timeout: TIME_LIMIT_MS, maxBuffer: 64 << 20 },
  );
  return stdout;
}
