/**
 * What a class is doing, as it lies in the store (`class/now`): whether the teacher has stopped it for a moment, and which page of the lab is on. And what its
 * pupils answered (`class/answers`). The cluster itself carries both. Whoever has the link may write them: a courtesy among people in a room, not a lock.
 *
 * Concurrent writes: of what is on, the one with the highest number stands; of answers, each pupil's latest to each assignment.
 * Limits: ANSWERS_MAX, the first by name.
 */

import * as v from "valibot";
import { labPlaceIn } from "../lab/place.ts";
import { isShopperName } from "../../src/reconcile/cart-names.ts";
import { pairwise, type Reconcile } from "../../src/reconcile/strategy.ts";
import { jsonOf } from "../state/records.ts";

export const ANSWERS_MAX = 400;

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const nowSchema = v.strictObject({
  /** One more than that of what it replaces. */
  n: number,
  frozen: v.boolean(),
  on: v.optional(
    v.strictObject({
      /** The fragment of a place in the lab: a link can be made of it. */
      place: v.pipe(
        v.string(),
        v.maxLength(200),
        v.check((place) => labPlaceIn(place) !== undefined),
      ),
      title: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
    }),
  ),
});

const answerSchema = v.strictObject({
  pupil: v.pipe(v.string(), v.check(isShopperName)),
  assignment: v.pipe(v.string(), v.regex(/^[a-z-]{1,40}$/)),
  seed: number,
  answer: v.pipe(v.array(v.pipe(v.string(), v.maxLength(20))), v.maxLength(40)),
  /** How often this pupil has answered by then. */
  n: number,
});

export type ClassNow = v.InferOutput<typeof nowSchema>;
export type Answer = v.InferOutput<typeof answerSchema>;

export const NOTHING_ON: ClassNow = { n: 0, frozen: false };

export const nowCodec = jsonOf("class", nowSchema);
export const answersCodec = jsonOf("list of answers", v.pipe(v.array(answerSchema), v.maxLength(ANSWERS_MAX)));

/** What is told from one page of this browser to another is checked like what comes from the store. */
export function answerIn(data: unknown): Pick<Answer, "assignment" | "seed" | "answer"> | undefined {
  const checked = v.safeParse(v.omit(answerSchema, ["pupil", "n"]), data);
  return checked.success ? checked.output : undefined;
}

/** The one with the highest number; of two with one number, always the same. */
export const latestNow: Reconcile<ClassNow> = pairwise((a, b) => {
  if (a.n !== b.n) return a.n > b.n ? a : b;
  return JSON.stringify(a) >= JSON.stringify(b) ? a : b;
});

function keyOf({ pupil, assignment, seed }: Answer): string {
  return `${pupil} ${assignment} ${seed}`;
}

/** All of them, each pupil's latest to each assignment. */
export const allAnswers: Reconcile<readonly Answer[]> = (lists) => {
  const latest = new Map<string, Answer>();
  for (const answer of lists.flat()) {
    const known = latest.get(keyOf(answer));
    const isLater =
      known === undefined ||
      answer.n > known.n ||
      (answer.n === known.n && JSON.stringify(answer) > JSON.stringify(known));
    if (isLater) latest.set(keyOf(answer), answer);
  }
  return [...latest.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)).slice(0, ANSWERS_MAX);
};

/** With one more answer. */
export function withAnswer(answers: readonly Answer[], answer: Omit<Answer, "n">): readonly Answer[] {
  const n = answers.filter(({ pupil }) => pupil === answer.pupil).reduce((most, one) => Math.max(most, one.n), 0) + 1;
  return allAnswers([answers, [{ ...answer, n }]]);
}
