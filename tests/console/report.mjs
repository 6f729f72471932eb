// Counts checks and prints one line for each.

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one check: `act` gives a few words about what was seen, or throws. */
export async function check(name, act) {
  try {
    const seen = await act();
    counts.passed += 1;
    console.log(`ok    ${name}${seen ? ` (${seen})` : ''}`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAIL  ${name}: ${error?.message ?? error}`);
  }
}

export function skip(name, reason) {
  counts.skipped += 1;
  console.log(`skip  ${name}: ${reason}`);
}

export function must(condition, message) {
  if (!condition) throw new Error(message);
}

/** Prints the closing line; gives the exit code. A run that checked nothing has failed. */
export function close() {
  const { passed, failed, skipped } = counts;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
