import { expect, test } from "vitest";
import { isItemId } from "../src/reconcile/cart-names.ts";
import { books, shelves, yearText } from "./books.ts";

test("at least 200 books, each once", () => {
  expect(books.length).toBeGreaterThanOrEqual(200);
  expect(new Set(books.map((book) => book.id)).size).toBe(books.length);
  expect(new Set(books.map((book) => `${book.title}/${book.author}`)).size).toBe(books.length);
  expect(new Set(shelves.map((shelf) => shelf.id)).size).toBe(shelves.length);
});

test("each can lie in a cart, is old enough to be free, and has a price", () => {
  for (const { id, title, author, year, cents } of books) {
    expect(isItemId(id), id).toBe(true);
    expect(title.trim()).toBe(title);
    expect(author.length).toBeGreaterThan(1);
    expect(Number.isInteger(year) && year !== 0 && year >= -2100 && year < 1930, `${title}, ${year}`).toBe(true);
    expect(Number.isInteger(cents) && cents >= 300 && cents <= 2_000, title).toBe(true);
  }
});

test("years are told as people do", () => {
  expect(yearText(1813)).toBe("1813");
  expect(yearText(-750)).toBe("750 BCE");
});
