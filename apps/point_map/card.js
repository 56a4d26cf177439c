// The card beside the hovered point. The group is known at once; the rest Python tells once the pointer rests.

const REST = 150; // milliseconds
const KEPT = 300; // cards
const PICTURE = "data:image/webp;base64,";

/** Note which point is hovered (-1: none), show what is known of it, and ask for more once the pointer rests. */
function hover(map, row) {
  if (row === map.hovered) return;
  map.hovered = row;
  clearTimeout(map.resting);
  showCard(map);
  scheduleFrame(map);
  if (row >= 0 && !map.cards.has(row)) map.resting = setTimeout(() => askFor(map, row), REST);
}

function askFor(map, row) {
  ports.get(map.key)?.setTriggerValue("hover", {row, of: map.points.head.digest});
}

/** Keep a card that Python sent, and show it if its point is still hovered. */
function keepCard(map, {digest, card}) {
  if (!card || digest !== map.points.head.digest) return;
  if (map.cards.size >= KEPT) map.cards.delete(map.cards.keys().next().value);
  map.cards.set(card.row, card);
  if (card.row === map.hovered) showCard(map);
}

/** Fill and place the card. All of it is text, and a picture only if its bytes are in its address. */
function showCard(map) {
  const {card: box} = map.parts, row = map.hovered;
  box.hidden = row < 0;
  if (row < 0) return;
  const {head, group} = map.points, told = map.cards.get(row);
  box.replaceChildren();
  if (told?.picture?.startsWith(PICTURE)) {
    const picture = element("img", "picture", {alt: ""});
    picture.addEventListener("load", () => placeCard(map));
    picture.src = told.picture;
    box.append(picture);
  }
  if (told) box.append(element("div", "title", {}, told.title));
  for (const line of told?.lines ?? []) box.append(element("div", "line", {}, line));
  const about = element("div", "line of");
  const code = group[row];
  about.append(symbol(head.colours[code], head.shapes[code]), element("span", "", {}, head.names[code]));
  box.append(about);
  placeCard(map);
}

/** Put the card beside its point, within the picture, and never on the point itself. */
function placeCard(map) {
  const {card: box} = map.parts, {size} = map;
  if (map.hovered < 0) return;
  const [left, top] = placeOf(map, map.hovered), away = 14;
  const x = left + away + box.offsetWidth <= size.width ? left + away : left - away - box.offsetWidth;
  const y = Math.max(4, Math.min(size.height - box.offsetHeight - 4, top - box.offsetHeight / 2));
  box.style.transform = `translate(${Math.round(Math.max(4, x))}px, ${Math.round(y)}px)`;
}
