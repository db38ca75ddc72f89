/** Who a ticket was given to; stands for the application's own store of sessions. */
export async function findUser(ticket: unknown): Promise<{ id: string; name: string } | undefined> {
  return PEOPLE.find(({ id }) => ticket === `ticket of ${id}`)
}

const PEOPLE = [
  { id: 'ann', name: 'Ann' },
  { id: 'ben', name: 'Ben' },
]
